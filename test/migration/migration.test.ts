import { execFile } from 'node:child_process';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';
import { isDeepStrictEqual, promisify } from 'node:util';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { createApiRecordStore } from '../../src/migration/api-record-store.js';
import { createDatabaseRecordStore } from '../../src/migration/database-record-store.js';
import { exportRecords, readExported } from '../../src/migration/files.js';
import { importKind, type KindReport } from '../../src/migration/move.js';
import type { RecordStore } from '../../src/migration/record-store.js';
import { KINDS, strip, type Kind, type WireRecord } from '../../src/migration/records.js';
import { openSqliteStore } from '../../src/store/database/sqlite.js';
import { openHttpService, type HttpService } from '../api/http-service.js';
import { createRepository, type Repository } from '../support/git-repository.js';
import { listen, stopListening } from '../support/listen.js';

const DIST = fileURLToPath(new URL('../../dist/', import.meta.url));
const { signal } = new AbortController();
const nothing = () => undefined;
const HERE = { name: 'here', protocols: 'file:https:ssh' };

let directory: string;
let repository: Repository;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'keelson-migration-'));
  repository = createRepository({ files: { 'site.yml': '[]\n' } });
});
afterEach(() => {
  repository.remove();
  rmSync(directory, { recursive: true, force: true });
});

/** Records as a CFS answers them: with members that it computes, and values that no request may have. */
function cfs(): Readonly<Record<Kind, readonly WireRecord[]>> {
  const clone_url = repository.url;
  const commit = repository.commit;
  const layer = { clone_url, playbook: 'site.yml', commit };
  const report = { ...layer, session_name: 'batcher-1', last_updated: '2025-01-01T00:00:00Z' };
  return {
    sources: [
      {
        ...{ name: clone_url, description: 'the site', clone_url },
        last_updated: '2025-01-01T00:00:00Z',
        credentials: { authentication_method: 'password', secret_name: 'cfs-source-credentials-1' },
        ca_cert: { configmap_name: 'ca', configmap_namespace: 'services' },
      },
    ],
    options: [
      {
        ...{
          default_playbook: 'play.yml',
          batch_size: 7,
          session_ttl: '30d',
          logging_level: 'DEBUG',
        },
        ...{ additional_inventory_url: '', batcher_disable: true, unknown_to_us: 1 },
      },
    ],
    configurations: [
      {
        ...{ name: 'compute', last_updated: '2025-01-01T00:00:00Z', description: 'nodes' },
        layers: [
          { ...layer, name: 'a layer with a long name that only v2 could have given to it' },
          {
            ...layer,
            playbook: 'b.yml',
            branch: repository.branch,
            special_parameters: { ims_require_dkms: true },
          },
        ],
        additional_inventory: {},
      },
      {
        ...{
          name: 'tenants',
          last_updated: '2025-01-01T00:00:00Z',
          tenant_name: 'blue',
          layers: [],
        },
        additional_inventory: { clone_url, commit, branch: repository.branch },
      },
    ],
    components: [
      {
        ...{ id: 'x1', desired_config: 'compute', enabled: true, error_count: 2, retry_policy: -1 },
        state: [
          { ...report, status: 'applied' },
          { ...report, playbook: 'b.yml', status: 'incomplete' },
        ],
        tags: { bos_session: 'b' },
        ...{ configuration_status: 'pending', logs: 'ara/hosts?name=x1', desired_state: [] },
      },
      { id: 'x2', state: [], enabled: false, tags: {}, configuration_status: 'config_deprecated' },
    ],
  };
}

function writeFiles(to: string): void {
  mkdirSync(to, { recursive: true });
  for (const kind of KINDS) {
    const records = cfs()[kind];
    const content = kind === 'options' ? records[0] : { [kind]: records, next: null };
    writeFileSync(join(to, `${kind}.json`), JSON.stringify(content));
  }
}

async function importAll(
  recordStore: RecordStore,
  from: string,
  dryRun = false,
): Promise<readonly KindReport[]> {
  const reports: KindReport[] = [];
  for (const kind of KINDS) {
    const records = readExported(from, kind) ?? [];
    reports.push(
      await importKind(recordStore, kind, records, { dryRun, onProgress: nothing, signal }),
    );
  }
  return reports;
}

const toCounts = (reports: readonly KindReport[]) =>
  reports.map(({ kind, added, changed, same, refused }) => [
    ...[kind, added.length, changed.length, same, refused.length],
  ]);

function run(command: 'import' | 'export', data: string, ...args: readonly string[]) {
  return promisify(execFile)(process.execPath, [join(DIST, `commands/${command}.js`), ...args], {
    env: { ...process.env, KEELSON_DATA: data },
  });
}

describe('npm run import and export', () => {
  test('take records over, find nothing to do in a repeat, and give them back as they came', async () => {
    const [from, to, data] = ['from', 'to', 'data'].map((name) => join(directory, name)) as [
      ...[string, string, string],
    ];
    writeFiles(from);
    // A service has no database before its first start, and a dry run creates none.
    await expect(run('import', data, '--dry-run', from)).rejects.toMatchObject({
      stderr: expect.stringContaining(`There is no database ${join(data, 'keelson.db')}`),
    });
    await (await openSqliteStore({ path: join(data, 'keelson.db') })).close();
    const dry = await run('import', data, '--dry-run', from);
    expect(dry.stdout).toContain(
      'components: 2 read, 2 new, 0 changed, 0 equal, 0 refused (dry run',
    );
    expect(dry.stdout).toContain(
      `! ${repository.url}: comes without credentials: they must be in Vault, as the secret cfs-source-credentials-1, or be given by PATCH /v3/sources/`,
    );
    expect(dry.stdout).toContain('~ batch_size: value 25 → 7');
    const first = JSON.parse((await run('import', data, '--json', from)).stdout) as {
      kinds: readonly KindReport[];
    };
    expect(toCounts(first.kinds)).toEqual([
      ...[
        ['sources', 1, 0, 0, 0],
        ['options', 0, 5, 1, 0],
        ['configurations', 2, 0, 0, 0],
        ['components', 2, 0, 0, 0],
      ],
    ]);
    const again = await run('import', data, from);
    expect(again.stdout).toBe(
      [
        `SQLite ${join(data, 'keelson.db')}:`,
        'sources: 1 read, 0 new, 0 changed, 1 equal, 0 refused',
        'options: 7 read, 0 new, 0 changed, 6 equal, 0 refused',
        '  ! unknown_to_us: is not known here',
        'configurations: 2 read, 0 new, 0 changed, 2 equal, 0 refused',
        'components: 2 read, 0 new, 0 changed, 2 equal, 0 refused\n',
      ].join('\n'),
    );
    await run('export', data, to);
    for (const kind of ['sources', 'configurations', 'components'] as const) {
      const back = (readExported(to, kind) ?? []).map((record) => strip(kind, record));
      expect(back).toEqual(cfs()[kind].map((record) => strip(kind, record)));
    }
    const known = { ...cfs().options[0], unknown_to_us: undefined };
    const options = JSON.parse(readFileSync(join(to, 'options.json'), 'utf8')) as object;
    expect({ ...options, unknown_to_us: undefined }).toMatchObject(known);
    expect(Object.keys(options)).not.toContain('max_running_sessions');
  });

  test('say what is wrong, and write the rest', async () => {
    const [from, data] = [join(directory, 'from'), join(directory, 'data')];
    writeFiles(from);
    const components = [...cfs().components, { id: 'x3', enabled: 'yes' }, { enabled: true }];
    writeFileSync(join(from, 'components.json'), JSON.stringify(components));
    const failed = await run('import', data, from).catch((error: unknown) => error);
    expect(failed).toMatchObject({ code: 1 });
    const { stdout } = failed as { stdout: string };
    expect(stdout).toContain('components: 4 read, 2 new, 0 changed, 0 equal, 2 refused');
    expect(stdout).toMatch(/- x3: .*'enabled'/);
    expect(stdout).toContain('- : It has no name.');
  });

  test('import other configurations if one names a missing source', async () => {
    const store = await openSqliteStore({ path: join(directory, 'keelson.db') });
    const now = () => new Date().toISOString();
    const recordStore = createDatabaseRecordStore(store, { ...HERE, now, optionNames: [] });
    const layer = { source: 'gone', playbook: 'site.yml', commit: repository.commit };
    const records = [{ name: 'a', layers: [layer] }, ...cfs().configurations];
    const options = { dryRun: false, onProgress: nothing, signal };
    const report = await importKind(recordStore, 'configurations', records, options);
    await store.close();
    expect(report).toMatchObject({
      added: ['compute', 'tenants'],
      refused: [{ key: 'a', why: 'The source gone does not exist.' }],
    });
  });

  test('take what only v2 could set, and refuse a configuration with an unknown member or too many layers', async () => {
    const store = await openSqliteStore({ path: join(directory, 'keelson.db') });
    const now = () => new Date().toISOString();
    const recordStore = createDatabaseRecordStore(store, { ...HERE, now, optionNames: [] });
    const options = { dryRun: false, onProgress: nothing, signal };
    const take = () =>
      importKind(
        recordStore,
        'components',
        [{ id: 'x1', desired_config: 'a'.repeat(61) }],
        options,
      );
    expect(await take()).toMatchObject({ added: ['x1'] });
    expect(await take()).toMatchObject({ same: 1 });
    const inventory = { name: 'a'.repeat(46), clone_url: repository.url, commit: 'b'.repeat(40) };
    const named = { name: 'named', layers: [], additional_inventory: inventory };
    expect(await importKind(recordStore, 'configurations', [named], options)).toMatchObject({
      ...{ added: ['named'], refused: [] },
    });
    const unknown = { name: 'a', layers: [], owner: 'b' };
    expect(await importKind(recordStore, 'configurations', [unknown], options)).toMatchObject({
      refused: [{ key: 'a', why: "The member is not known - 'owner'" }],
    });
    const layer = { ...inventory, playbook: 'site.yml' };
    const long = { name: 'long', layers: Array.from({ length: 101 }, () => layer) };
    expect(await importKind(recordStore, 'configurations', [long], options)).toMatchObject({
      refused: [{ key: 'long', why: "Must not have more than 100 layers - 'layers'" }],
    });
    await store.close();
  });

  test('refuse, also in a dry run, what the API refuses because of its length', async () => {
    const store = await openSqliteStore({ path: join(directory, 'keelson.db') });
    const now = () => new Date().toISOString();
    const recordStore = createDatabaseRecordStore(store, { ...HERE, now, optionNames: [] });
    const layer = { clone_url: repository.url, playbook: 'site.yml' };
    const name = 'a'.repeat(256);
    const check = async (kind: Kind, record: Parameters<typeof importKind>[2][number]) =>
      (await recordStore.check(kind, [record], signal)).refused.map(({ why }) => why);
    expect(
      await check('configurations', {
        name: 'a',
        layers: [{ ...layer, branch: 'b'.repeat(4097) }],
      }),
    ).toEqual(['A branch must not have more than 4096 bytes']);
    const inventory = { clone_url: repository.url, branch: '--upload-pack=id' };
    expect(
      await check('configurations', { name: 'a', layers: [], additional_inventory: inventory }),
    ).toEqual(['A branch must not begin with "-"']);
    const length = (member: string) => [`The length must be 1 to 255 - '${member}'`];
    expect(await check('configurations', { name, layers: [] })).toEqual(length('name'));
    expect(await check('components', { id: name })).toEqual(length('id'));
    await store.close();
  });

  test('take repositories whose scheme is not allowed here, and say so', async () => {
    const store = await openSqliteStore({ path: join(directory, 'keelson.db') });
    const now = () => new Date().toISOString();
    const name = 'additional_inventory_url';
    const here = { name: 'here', protocols: 'https:ssh', now, optionNames: [name] };
    const recordStore = createDatabaseRecordStore(store, here);
    const clone_url = 'http://git.example.com/a.git';
    const layer = { clone_url, playbook: 'site.yml', commit: repository.commit };
    const sourced = { ...layer, clone_url: '', source: 'site' };
    const options = { dryRun: true, onProgress: nothing, signal };
    const take = (kind: Kind, ...records: Parameters<typeof importKind>[2]) =>
      importKind(recordStore, kind, records, options);
    const why = expect.stringMatching(/^cannot be cloned here: The scheme http is not allowed/);
    expect(
      await take(
        'configurations',
        { name: 'a', layers: [layer] },
        { name: 'b', layers: [sourced] },
      ),
    ).toMatchObject({ refused: [], notes: [{ key: 'a', why }] });
    expect(await take('options', { name, value: clone_url })).toMatchObject({
      ...{ refused: [], notes: [{ key: name, why }] },
    });
    expect(await take('options', { name, value: '' })).toMatchObject({ refused: [], notes: [] });
    await store.close();
  });

  test('take no URL with a password or a token from a CFS', async () => {
    const store = await openSqliteStore({ path: join(directory, 'keelson.db') });
    const now = () => new Date().toISOString();
    const optionNames = ['additional_inventory_url'];
    const recordStore = createDatabaseRecordStore(store, { ...HERE, now, optionNames });
    const clone_url = 'https://user:hidden@git.example.com/a.git';
    const layer = { clone_url, playbook: 'site.yml', commit: repository.commit };
    const records = {
      sources: { name: 'a', clone_url, credentials: cfs().sources[0]?.credentials },
      configurations: { name: 'a', layers: [layer] },
      options: { name: 'additional_inventory_url', value: clone_url },
    };
    for (const [kind, record] of Object.entries(records)) {
      const report = await recordStore.write(kind as keyof typeof records, [record], signal);
      const refusal = { key: record.name, why: 'A URL must not contain a password' };
      expect(report.refused).toEqual([refusal]);
    }
    const taken = { id: 'x1', state: [{ ...layer, session_name: 's', status: 'applied' }] };
    const unsplit = { ...layer, clone_url: 'https://user:hid/den@git.example.com/a.git' };
    const report = await recordStore.write(
      'components',
      [taken, { id: 'x2', state: [unsplit] }],
      signal,
    );
    expect(report).toMatchObject({ refused: [{ key: 'x2' }], notes: [{ key: 'x1' }] });
    const { items } = await store.components.list({}, { limit: 9 });
    const urls = items.map(({ component }) => component.state.map(({ cloneUrl }) => cloneUrl));
    expect(urls).toEqual([['https://git.example.com/a.git']]);
    await store.close();
  });

  test.each([
    [['--only', 'everything', '.'], '--only: "everything" is none of'],
    [[], 'Name one directory'],
    [['/nowhere/at/all'], 'contains none of sources.json'],
  ])('refuse %j', async (args, text) => {
    const failed = await run('import', directory, ...args).catch((error: unknown) => error);
    expect(failed).toMatchObject({ code: 1, stderr: expect.stringContaining(text) });
  });
});

describe('a CFS through its API', () => {
  let other: HttpService;
  beforeEach(async () => {
    other = await openHttpService({ gitProtocols: 'file' });
  });
  afterEach(() => other.close());

  test('takes what a database has exported, and reads back the same', async () => {
    const from = join(directory, 'from');
    writeFiles(from);
    const api = createApiRecordStore({ url: other.url });
    const dry = await importAll(api, from, true);
    expect(toCounts(dry).slice(2)).toEqual([
      ...[
        ['configurations', 2, 0, 0, 0],
        ['components', 2, 0, 0, 0],
      ],
    ]);
    expect((await other.store.configurations.list({ limit: 10 })).items).toEqual([]);
    await importAll(api, from);
    expect(toCounts(await importAll(api, from))).toEqual([
      ...[
        ['sources', 0, 0, 1, 0],
        ['options', 0, 0, 6, 0],
        ['configurations', 0, 0, 2, 0],
        ['components', 0, 0, 2, 0],
      ],
    ]);
    const to = join(directory, 'to');
    await exportRecords(api, ['components'], to, { onProgress: nothing, signal });
    expect(
      (readExported(to, 'components') ?? []).map((record) => strip('components', record)),
    ).toEqual(cfs().components.map((record) => strip('components', record)));
  });

  test('takes through v2 what v3 refuses, unless only v3 has it', async () => {
    const [clone_url, commit, name] = [repository.url, repository.commit, 'a'.repeat(61)];
    const layer = { clone_url, playbook: 'site.yml', commit };
    const records: readonly (readonly [Kind, WireRecord])[] = [
      ['configurations', { name, layers: [layer] }],
      [
        'configurations',
        { name: 'bare', layers: [{ clone_url, branch: repository.branch, commit }] },
      ],
      ['configurations', { name: 'named', layers: [{ ...layer, name: 'b'.repeat(46) }] }],
      ['components', { id: 'x1', state: [], desired_config: name, error_count: 2 }],
    ];
    const api = createApiRecordStore({ url: other.url });
    const take = ([kind, record]: (typeof records)[number]) =>
      importKind(api, kind, [record], { dryRun: false, onProgress: nothing, signal });
    for (const record of records) {
      expect(await take(record)).toMatchObject({ refused: [], added: [expect.anything()] });
      expect(await take(record)).toMatchObject({ refused: [], same: 1 });
    }
    const ofTenant = { name: 'owned', tenant_name: 'blue', layers: [{ clone_url, commit }] };
    expect(await take(['configurations', ofTenant])).toMatchObject({
      refused: [{ key: 'owned', why: expect.stringContaining("'layers.0.playbook'") }],
    });
  });

  test('takes a state over once, even if one of its layers is incomplete', async () => {
    const layers = ['a.yml', 'b.yml'].map((playbook, index) => ({
      ...{ clone_url: repository.url, playbook, commit: repository.commit, session_name: 'one' },
      status: index === 0 ? 'incomplete' : 'applied',
    }));
    const api = createApiRecordStore({ url: other.url });
    const take = () =>
      importKind(api, 'components', [{ id: 'x1', state: layers, tags: {} }], {
        ...{ dryRun: false, onProgress: nothing, signal },
      });
    expect(await take()).toMatchObject({ added: ['x1'], refused: [] });
    expect(await take()).toMatchObject({ changed: [], same: 1 });
    layers.pop();
    expect(await take()).toMatchObject({ changed: [{ key: 'x1' }] });
  });

  test('takes records once that have less than a request must have, and so does a database', async () => {
    const layer = { clone_url: repository.url, playbook: 'a.yml', commit: repository.commit };
    const odd: Partial<Record<Kind, WireRecord>> = {
      configurations: {
        ...{ name: 'odd', description: null },
        layers: [{ ...layer, branch: null, special_parameters: {} }],
      },
      components: {
        ...{ id: 'x1', retry_policy: null },
        state: [
          { ...layer, status: 'failed' },
          { ...layer, playbook: 'b.yml', session_name: null },
          { ...layer, playbook: 'c.yml', session_name: null, status: 'incomplete' },
        ],
      },
    };
    const now = () => new Date().toISOString();
    const here = { ...HERE, now, optionNames: [] };
    const store = await openSqliteStore({ path: join(directory, 'keelson.db') });
    const options = { dryRun: false, onProgress: nothing, signal };
    for (const recordStore of [
      createDatabaseRecordStore(store, here),
      createApiRecordStore({ url: other.url }),
    ]) {
      for (const [kind, record] of Object.entries(odd)) {
        const take = () => importKind(recordStore, kind as Kind, [record], options);
        expect(await take()).toMatchObject({
          refused: [],
          added: [record['name'] ?? record['id']],
        });
        expect(await take()).toMatchObject({ refused: [], same: 1 });
      }
    }
    for (const { components } of [store, other.store]) {
      const state = (await components.find('x1'))?.component.state.map(({ status }) => status);
      expect(state?.sort()).toEqual(['applied', 'failed', 'incomplete']);
    }
    await store.close();
  });

  test('takes no notice of options that are null', () => {
    writeFileSync(join(directory, 'options.json'), '{"batch_size": 7, "session_ttl": null}');
    expect(readExported(directory, 'options')).toEqual([{ name: 'batch_size', value: 7 }]);
  });

  test('keeps the commit of a branch that has moved on, and says so', async () => {
    const commit = repository.commit;
    const moved = repository.addCommit({ files: { 'site.yml': '[1]\n' } });
    expect(moved).not.toBe(commit);
    const layers = [
      { clone_url: repository.url, playbook: 'site.yml', commit, branch: repository.branch },
    ];
    const api = createApiRecordStore({ url: other.url });
    const report = await importKind(api, 'configurations', [{ name: 'compute', layers }], {
      ...{ dryRun: false, onProgress: nothing, signal },
    });
    expect(report.notes).toEqual([
      { key: 'compute', why: expect.stringContaining(repository.branch) },
    ]);
    const stored = await other.store.configurations.find('compute');
    expect(stored?.configuration.layers).toEqual([
      { cloneUrl: repository.url, playbook: 'site.yml', commit },
    ]);
  });

  test('has its sources changed, except for their secret', async () => {
    const api = createApiRecordStore({ url: other.url });
    const options = { dryRun: false, onProgress: nothing, signal };
    const [source = {}] = cfs().sources;
    await importKind(api, 'sources', [source], options);
    const changed = await importKind(
      api,
      'sources',
      [{ ...source, ca_cert: null, description: 'x' }],
      options,
    );
    expect(changed.changed[0]?.changes.map(({ member }) => member)).toEqual([
      ...['ca_cert', 'description'],
    ]);
    expect((await other.store.sources.find(repository.url))?.source).toMatchObject({
      ...{ description: 'x', secretName: 'cfs-source-credentials-1' },
    });
  });

  /** A CFS in which only these requests matter. Returns what it is sent in each PATCH. */
  async function withAnswers(
    answer: (path: string, patch: unknown, body: unknown) => object,
    act: (api: RecordStore) => Promise<void>,
  ): Promise<readonly unknown[]> {
    const patches: unknown[] = [];
    const server = createServer((request, response) => {
      void text(request).then((body) => {
        const patch: unknown = request.method === 'PATCH' ? JSON.parse(body) : undefined;
        if (patch !== undefined) patches.push(patch);
        const given = answer(request.url ?? '', patch, body === '' ? undefined : JSON.parse(body));
        const status = 'status' in given ? Number(given.status) : 'detail' in given ? 400 : 200;
        response.writeHead(status).end('html' in given ? given.html : JSON.stringify(given));
      });
    });
    await act(createApiRecordStore({ url: `http://127.0.0.1:${await listen(server)}` }));
    await stopListening(server);
    return patches;
  }

  test('is sent a ca_cert of null only to remove one, because CFS cannot replace null', async () => {
    const stored = {
      ...{ description: 'old', clone_url: repository.url },
      credentials: { authentication_method: 'password', secret_name: 's' },
    };
    const ca_cert = { configmap_name: 'ca' };
    const there: readonly WireRecord[] = [
      { ...stored, name: 'none' },
      { ...stored, name: 'null', ca_cert: null },
      { ...stored, name: 'some', ca_cert },
    ];
    const change = { ...stored, description: 'new' };
    const wanted = [
      { ...change, name: 'none' },
      { ...change, name: 'null', ca_cert },
      { ...change, name: 'some' },
    ];
    const options = { dryRun: false, onProgress: nothing, signal };
    const patches = await withAnswers(
      (path) =>
        there.find(({ name }) => path === `/v3/sources/${String(name)}`) ?? {
          ...{ sources: there, next: null },
        },
      async (api) => {
        expect(await importKind(api, 'sources', wanted, options)).toMatchObject({
          refused: [],
          notes: [{ key: 'null', why: expect.stringContaining('it is null there') }],
        });
      },
    );
    const sent = { description: 'new', clone_url: repository.url };
    expect(patches).toEqual([sent, sent, { ...sent, ca_cert: null }]);
  });

  test('gets options that it does not show yet', async () => {
    const wanted = [
      { name: 'batch_size', value: 7 },
      { name: 'of_later', value: 1 },
    ];
    const patches = await withAnswers(
      (_, patch) => (isDeepStrictEqual(patch, { of_later: 1 }) ? { detail: 'not expected' } : {}),
      async (api) => {
        const options = { dryRun: false, onProgress: nothing, signal };
        expect(await importKind(api, 'options', wanted, options)).toMatchObject({
          ...{ added: ['batch_size'], refused: [] },
          notes: [
            {
              key: 'of_later',
              why: expect.stringMatching(/^is not known here: .*\(not expected\)\.$/),
            },
          ],
        });
        const dry = await importKind(api, 'options', wanted, { ...options, dryRun: true });
        expect(dry.notes.map(({ key }) => key)).toEqual(['batch_size', 'of_later']);
      },
    );
    expect(patches).toEqual([{ batch_size: 7 }, { of_later: 1 }]);
  });

  test('that answers 500 to one record gets the others', async () => {
    const options = { dryRun: false, onProgress: nothing, signal };
    const components = ['good', 'bad', 'better'].map((id) => ({ id, enabled: true, state: [] }));
    let sent: readonly string[] = [];
    const answer = (isGateway: boolean) => (_path: string, _patch: unknown, body: unknown) => {
      if (body === undefined) return { components: [], next: null };
      const ids = (body as readonly { readonly id: string }[]).map(({ id }) => id);
      if (isGateway) return { status: 500, html: '<h1>Internal error</h1>' };
      if (ids.includes('bad')) return { status: 500, title: 'Internal Server Error' };
      sent = [...sent, ...ids];
      return { component_ids: ids };
    };
    await withAnswers(answer(false), async (api) => {
      const report = await importKind(api, 'components', components, options);
      expect(report.added).toEqual(['good', 'better']);
      const why = expect.stringContaining('answered with status 500 (Internal Server Error).');
      expect(report.refused).toEqual([{ key: 'bad', why }]);
    });
    expect(sent).toEqual(['good', 'better']);
    await withAnswers(answer(true), async (api) => {
      const importing = importKind(api, 'components', components, options);
      await expect(importing).rejects.toMatchObject({ fault: 'unavailable' });
    });
  });

  test('is read in pages', async () => {
    const many = Array.from({ length: 2_500 }, (_, index) => ({ id: `x${index}`, state: [] }));
    await other.store.components.put(many, new Date().toISOString(), nothing);
    let count = 0;
    for await (const page of createApiRecordStore({ url: `${other.url}/` }).read(
      'components',
      signal,
    ))
      count += page.length;
    expect(count).toBe(2_500);
  });

  test('that does not answer ends the command, and is not taken for a refusal', async () => {
    const api = createApiRecordStore({ url: other.url });
    await other.close();
    const records = cfs().components;
    const options = { dryRun: false, onProgress: nothing, signal };
    await expect(importKind(api, 'components', records, options)).rejects.toMatchObject({
      fault: 'unavailable',
    });
    const before = join(directory, 'before');
    writeFiles(before);
    await expect(exportRecords(api, ['components'], before, options)).rejects.toMatchObject({
      fault: 'unavailable',
    });
    expect(readExported(before, 'components')).toEqual(records);
    expect(readdirSync(before).filter((name) => name.endsWith('.new'))).toEqual([]);
    other = await openHttpService();
  });
});
