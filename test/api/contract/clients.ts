import { describe, expect, test } from '@jest/globals';
import { completeSession, type Answer } from '../service.js';
import type { ContractSite } from './site.js';

type Query = Readonly<Record<string, unknown>>;

interface Sent {
  readonly params?: Query;
  readonly json?: unknown;
  readonly headers?: Readonly<Record<string, string>>;
}

/** The calls of programs that were written for CFS, in the headers and spellings of their libraries. */
export function clientContract(site: () => ContractSite): void {
  /** Python's requests: the cray CLI, SAT, cfs-config-util, CFS's own operator and batcher. */
  const python = (method: string, path: string, { params, json, headers }: Sent = {}) => {
    const body = json === undefined ? undefined : toPythonJson(json);
    const length = method === 'GET' ? {} : { 'Content-Length': String(body?.length ?? 0) };
    const query = params === undefined ? '' : toPythonQuery(params);
    return site().ask(method, `/apis/cfs${path}${query === '' ? '' : `?${query}`}`, body, {
      'User-Agent': 'python-requests/2.32.3',
      'Accept-Encoding': 'gzip, deflate',
      Accept: '*/*',
      Connection: 'keep-alive',
      Authorization: 'Bearer eyJhbGciOi.of.the-gateway',
      ...length,
      ...(body === undefined ? {} : { 'Content-Type': 'application/json' }),
      ...headers,
    });
  };
  /** Rust's reqwest: csm-rs and manta. */
  const rust = (method: string, path: string, json?: unknown) => {
    const body = json === undefined ? undefined : JSON.stringify(json);
    return site().ask(method, `/apis/cfs${path}`, body, {
      accept: '*/*',
      authorization: 'Bearer eyJhbGciOi.of.the-gateway',
      ...(body === undefined
        ? {}
        : {
            'content-type': 'application/json',
            'content-length': String(Buffer.byteLength(body)),
          }),
    });
  };
  const listed = ({ body }: Answer, member = 'sessions') =>
    ((Array.isArray(body) ? body : (body as Record<string, unknown>)[member]) as object[]).map(
      (record) => (record as { name: string }).name,
    );

  describe.each([
    ['v2', 'configurationName', 'cloneUrl', 'batchSize', 'batcherDisable', 200],
    ['v3', 'configuration_name', 'clone_url', 'batch_size', 'batcher_disable', 201],
  ] as const)('cray cfs %s', (version, configuration, url, size, disable, created) => {
    const path = (rest: string) => `/${version}/${rest}`;
    // The tenant of the command line, when none is set.
    const headers = { 'Cray-Tenant-Name': '' };
    const name = `cray-${version}`;

    test('reads and changes options', async () => {
      const before = await python('GET', path('options'), { headers });
      expect(before.status).toBe(200);
      const json = { [size]: 30, [disable]: true };
      const answer = await python('PATCH', path('options'), { json, headers });
      expect(answer).toMatchObject({ status: 200, body: json });
      const back = before.body as Record<string, unknown>;
      const restored = { [size]: back[size], [disable]: back[disable] };
      await python('PATCH', path('options'), { json: restored, headers });
    });

    test('creates a configuration from a file, moves its branches, lists, shows and deletes it', async () => {
      const { repository } = site();
      const layer = {
        name: 'täglich',
        [url]: repository.url,
        playbook: 'site.yml',
        branch: 'main',
      };
      const put = { json: { layers: [layer] }, headers };
      const one = path(`configurations/${name}`);
      expect((await python('PUT', one, put)).status).toBe(200);
      const pinned = { layers: [{ ...layer, commit: repository.commit }] };
      expect(await python('PATCH', one, { headers })).toMatchObject({ status: 200, body: pinned });
      const list = await python('GET', path('configurations'), {
        params: { in_use: false, limit: null, after_id: null },
        headers,
      });
      expect(listed(list, 'configurations')).toContain(name);
      expect(await python('GET', one, { headers })).toMatchObject({ status: 200, body: pinned });
      expect(await python('DELETE', one, { headers })).toMatchObject({ status: 204, body: '' });
      expect(await python('GET', one, { headers })).toMatchObject({
        status: 404,
        body: { title: 'Configuration not found', detail: expect.stringContaining(name) },
      });
    });

    test('creates, lists, shows and deletes sessions', async () => {
      await python('PUT', '/v3/configurations/cray', { json: { layers: [] }, headers });
      const target = { definition: 'dynamic', groups: [], image_map: [] };
      const json = { name, [configuration]: 'cray', target, tags: { client: name } };
      const answer = await python('POST', path('sessions'), { json, headers });
      expect(answer).toMatchObject({ status: created, body: { name, target } });
      expect(await python('POST', path('sessions'), { json, headers })).toMatchObject({
        status: 409,
        body: { title: 'Conflicting session name' },
      });
      const params = { status: 'pending', succeeded: 'none', tags: `client=${name}`, age: null };
      expect(listed(await python('GET', path('sessions'), { params, headers }))).toEqual([name]);
      const one = path(`sessions/${name}`);
      expect(await python('GET', one, { headers })).toMatchObject({ status: 200, body: { name } });
      await completeSession(site().store, name);
      const many = { params: { status: 'complete', tags: `client=${name}` }, headers };
      expect(await python('DELETE', path('sessions'), many)).toMatchObject(
        version === 'v2'
          ? { status: 204, body: '' }
          : { status: 200, body: { session_ids: [name] } },
      );
      expect((await python('DELETE', one, { headers })).status).toBe(404);
    });

    test('ignores a tenant, but for configurations of v3', async () => {
      const blue = { headers: { 'Cray-Tenant-Name': 'blue' } };
      expect((await python('GET', path('sessions'), blue)).status).toBe(200);
      expect((await python('GET', path('options'), blue)).status).toBe(200);
      const { status } = await python('GET', path('configurations'), blue);
      expect(status).toBe(version === 'v2' ? 200 : 400);
    });
  });

  test('SAT copies a configuration before it replaces it, and reads JSON from every change', async () => {
    const { repository } = site();
    const one = '/v2/configurations/sat';
    expect((await python('GET', one)).status).toBe(404);
    const layer = { name: 'cos', cloneUrl: repository.url, playbook: 'site.yml', branch: 'main' };
    expect(await python('PUT', one, { json: { layers: [layer] } })).toMatchObject({
      status: 200,
      body: { name: 'sat', layers: [{ commit: repository.commit }] },
    });
    const { layers } = (await python('GET', one)).body as { layers: Record<string, unknown>[] };
    const copied = layers.map((stored) => omit(stored, 'branch'));
    const copy = await python('PUT', '/v2/configurations/sat.bak', { json: { layers: copied } });
    expect(copy).toMatchObject({ status: 200, body: { layers: copied } });
    const groups = [{ name: 'Compute', members: ['5c1a4a0e-4a6b-4c8e-9d5e-2f6f1f3f8f0a'] }];
    const image = {
      name: 'sat-i',
      configurationName: 'sat',
      target: { definition: 'image', groups },
    };
    expect(await python('POST', '/v2/sessions', { json: image })).toMatchObject({
      status: 200,
      body: { target: { definition: 'image', groups, image_map: null } },
    });
    const json = { name: 'sat-1', configurationName: 'sat', ansibleLimit: 'x1' };
    const { body } = await python('POST', '/v2/sessions', { json });
    const { startTime } = (body as { status: { session: { startTime: string } } }).status.session;
    expect(startTime).toMatch(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d$/);
  });

  test('csm-rs creates what does not exist, and its misspelt filter does no harm', async () => {
    const { repository } = site();
    const one = '/v3/configurations/manta';
    expect((await rust('GET', `${one}?limit=100000`)).status).toBe(404);
    const layer = { name: 'm', clone_url: repository.url, playbook: 'site.yml' };
    const layers = [{ ...layer, commit: repository.commit }];
    expect(await rust('PUT', one, { layers })).toMatchObject({ status: 200, body: { layers } });
    const all = await rust('GET', '/v3/configurations?limit=100000');
    expect(listed(all, 'configurations')).toContain('manta');
    const session = { name: 'manta-2', configurationName: 'manta', ansibleLimit: 'x1', target: {} };
    expect((await rust('POST', '/v2/sessions', session)).status).toBe(200);
    const nothing = { definition: 'dynamic', groups: null, image_map: null };
    const third = { name: 'manta-3', configuration_name: 'manta', target: nothing };
    expect(await rust('POST', '/v3/sessions', third)).toMatchObject({
      status: 201,
      body: { target: nothing },
    });
    // The release after: it needs `debug_on_failure` in each answer.
    const newer = { definition: 'dynamic', image_map: [] };
    const fourth = { ...third, name: 'manta-4', target: newer, debug_on_failure: true };
    expect(await rust('POST', '/v3/sessions', fourth)).toMatchObject({
      status: 201,
      body: { target: newer, debug_on_failure: true },
    });
    const query = 'succeced=true&min_age=0m&status=pending';
    expect(listed(await rust('GET', `/v2/sessions?${query}`))).toContain('manta-2');
    const shown = await rust('GET', '/v3/sessions/manta-2?succeced=false');
    expect(shown.body).toMatchObject({
      debug_on_failure: false,
      tags: {},
      status: { artifacts: [] },
    });
    expect(await rust('DELETE', '/v2/sessions/manta-2')).toMatchObject({ status: 204, body: '' });
    expect(await rust('DELETE', one)).toMatchObject({ status: 204, body: '' });
  });

  test('csm-rs gives nodes a configuration, and cannot replace what it has not read', async () => {
    await python('PUT', '/v3/configurations/nodes', { json: { layers: [] } });
    expect(await rust('GET', '/healthz')).toMatchObject({ status: 200, body: { db_status: 'ok' } });
    const ids = ['x8c0s1b0n0', 'x8c0s2b0n0'];
    const layer = { clone_url: 'https://vcs.example.org/a.git', playbook: 'site.yml' };
    const state = [{ ...layer, commit: '1'.repeat(40), session_name: 's', status: 'applied' }];
    for (const id of ids) {
      const component = { id, state, desired_config: '', retry_policy: 3, enabled: false };
      expect((await rust('PUT', `/v3/components/${id}`, component)).body).toMatchObject({
        ...component,
        error_count: 0,
      });
    }
    const wanted = ids.map((id) => ({ id, desired_config: 'nodes', enabled: false }));
    expect((await rust('PATCH', '/v3/components', wanted)).status).toBe(200);
    const query = `ids=${ids.join('%2C')}&limit=100000`;
    const third = (await rust('GET', `/v3/components?${query}`)).body;
    expect(third).toMatchObject({ components: wanted, next: null });
    const second = await rust('GET', `/v2/components?${query}&config_name=nodes`);
    expect(second.body).toMatchObject(ids.map((id) => ({ id, desiredConfig: 'nodes' })));

    // To cancel a session, it sends each node back as the list shows it: without its state.
    const sent = {
      ...{ id: ids[0], desiredConfig: 'nodes', errorCount: 0, retryPolicy: 3, enabled: false },
      ...{ configurationStatus: 'configured', tags: {} },
    };
    expect(await rust('PUT', `/v2/components/${ids[0]}`, sent)).toMatchObject({
      status: 400,
      body: { detail: "The property is read-only - 'configurationStatus'" },
    });
    expect((await rust('GET', `/v2/components/${ids[0]}`)).body).toMatchObject({
      state: [{ commit: '1'.repeat(40) }],
    });
    for (const id of ids) await rust('DELETE', `/v2/components/${id}`);
  });

  test('the batcher finds its sessions again page by page, and those of one boot', async () => {
    await python('PUT', '/v3/configurations/batch', { json: { layers: [] } });
    const names = ['0', '1', '2'].map(
      (digit) => `batcher-${digit}f0e8c4e-3b9d-4a44-9a3a-0c7c9a2f6b1d`,
    );
    for (const name of names) {
      const json = {
        ...{ name, configuration_name: 'batch', configuration_limit: '0,1' },
        ...{ ansible_limit: 'x1,x2', target: { definition: 'dynamic' } },
        tags: { bos_session: 'b 1' },
      };
      expect((await python('POST', '/v3/sessions', { json })).status).toBe(201);
    }
    const found: string[] = [];
    let params: Query | null = { limit: 1, name_contains: 'batcher-', tags: 'bos_session=b 1' };
    while (params !== null) {
      const page = await python('GET', '/v3/sessions', { params });
      found.push(...listed(page));
      params = (page.body as { next: Query | null }).next;
    }
    expect(found).toEqual(names);
  });

  test('an operator reads and completes options, reports, and removes old sessions', async () => {
    const options = await python('GET', '/v3/options');
    for (const member of ['session_ttl', 'additional_inventory_source', 'debug_wait_time']) {
      expect(options.body).toHaveProperty(member);
    }
    const json = { name: 'operated', configuration_name: 'debug_noop' };
    await python('POST', '/v3/sessions', { json });
    const report = { status: { session: { ims_job: 'i-1' } } };
    expect(await python('PATCH', '/v3/sessions/operated', { json: report })).toMatchObject({
      status: 200,
      body: report,
    });
    const params = { status: 'complete', min_age: '7d' };
    expect((await python('DELETE', '/v3/sessions', { params })).status).toBe(200);
    const older = { status: 'complete', age: '7d' };
    expect((await python('DELETE', '/v2/sessions', { params: older })).status).toBe(204);
    expect((await python('GET', '/v3/sessions/operated')).status).toBe(200);
  });

  test('a node is found, wanted by BOS, booted, batched, reported, and seen as configured', async () => {
    const id = 'x9c0s1b0n0';
    const one = `/v3/components/${id}`;
    const commit = '1'.repeat(40);
    const url = 'https://vcs.example.org/vcs/cray/csm.git';
    const layer = { clone_url: url, playbook: 'ncn.yml' };
    const layers = [{ ...layer, commit }];
    await python('PUT', '/v3/configurations/booted', { json: { layers } });

    // Hardware sync: what is not listed yet.
    const known = (await python('GET', '/v3/components')).body as { components: object[] };
    expect(known.components).not.toContainEqual(expect.objectContaining({ id }));
    const found = { json: [{ id, state: [], desired_config: '', error_count: 0, enabled: true }] };
    expect((await python('PUT', '/v3/components', found)).body).toEqual({ component_ids: [id] });

    // CSM's barebones test, which gives the node no more than a configuration.
    const given = await python('PATCH', one, { json: { desired_config: 'booted' } });
    expect(given).toMatchObject({ status: 200, body: { enabled: true, error_count: 0 } });

    // BOS, before it boots the node and with the words of v2 as in older systems.
    const wanted = { id, desiredConfig: 'booted', enabled: false, tags: { bos_session: 'b-1' } };
    const patched = await python('PATCH', '/v2/components', { json: [wanted] });
    expect(patched).toMatchObject({ status: 200, body: [{ id, desiredConfig: 'booted' }] });

    // The node's own state reporter, when it is up.
    const reported = await python('PATCH', one, { json: { enabled: true, state: [] } });
    expect(reported).toMatchObject({ status: 200, body: { enabled: true, error_count: 0 } });

    // The batcher of CFS: page by page, sending back what `next` holds.
    let params: Query | null = {
      ...{ enabled: true, status: 'pending', state_details: true, config_details: true },
      ...{ tags: 'bos_session=b-1', limit: 1 },
    };
    const pending: object[] = [];
    while (params !== null) {
      const page = await python('GET', '/v3/components', { params });
      const body = page.body as { components: object[]; next: Query | null };
      pending.push(...body.components);
      params = body.next;
    }
    expect(pending).toMatchObject([
      { id, state: [], desired_state: [{ commit, status: 'pending' }] },
    ]);

    // The callback in a playbook that fails, and in the next one, which does not.
    const tell = (outcome: string, errors: number) => ({
      json: {
        state_append: { ...layer, commit: `${commit}${outcome}`, session_name: 'batcher-1' },
        error_count: errors,
      },
    });
    const failed = await python('PATCH', one, tell('_failed', 1));
    expect(failed).toMatchObject({ status: 200, body: { state: [{ commit, status: 'failed' }] } });
    await python('PATCH', one, tell('', 0));

    // BOS waits for it; SAT shows it.
    const status = { params: { ids: id, status: 'configured' } };
    expect((await python('GET', '/v3/components', status)).body).toMatchObject({
      components: [{ id, configuration_status: 'configured', error_count: 0 }],
    });
    expect((await python('GET', `/v2/components/${id}`)).body).toMatchObject({
      ...{ configurationStatus: 'configured', state: [{ cloneUrl: url, commit }] },
    });
    expect((await python('DELETE', '/v3/configurations/booted')).status).toBe(400);
    expect((await python('DELETE', one)).status).toBe(204);
    expect((await python('DELETE', '/v3/configurations/booted')).status).toBe(204);
  });

  test('the scripts of CSM empty nodes, restore sources and nodes, and have a playbook repeated', async () => {
    const ids = ['x8c0s3b0n0', 'x8c0s4b0n0'];
    await python('PUT', '/v3/configurations/restored', { json: { layers: [] } });
    const layer = { clone_url: 'https://vcs.example.org/a.git', commit: '1'.repeat(40) };
    const state = ['site.yml', 'iscsi.yml'].map((playbook) => ({
      ...{ ...layer, playbook, session_name: 's', status: 'applied' },
    }));
    const nodes = ids.map((id) => ({ id, state, desired_config: '', tags: { a: 'b' } }));
    await python('PUT', '/v3/components', { json: nodes });

    const filters = { ids: ids.join(',') };
    const empty = { error_count: 0, state: [], desired_config: '', tags: {} };
    for (const patch of [empty, { desired_config: 'restored' }]) {
      const answer = await python('PATCH', '/v3/components', { json: { patch, filters } });
      expect(answer).toMatchObject({ status: 200, body: { component_ids: ids } });
    }

    // Encoded twice, as for every name; the answer has the name that was saved.
    const source = 'https://vcs.example.org/csm.git';
    const one = `/v3/sources/${encodeURIComponent(encodeURIComponent(source))}`;
    const credentials = { authentication_method: 'password', secret_name: 'cfs-source-1' };
    const saved = { json: { clone_url: source, credentials } };
    expect(await python('POST', one, saved)).toMatchObject({ status: 201, body: { name: source } });
    expect((await python('DELETE', one)).status).toBe(204);

    // A playbook is repeated: its layer is taken out of what each node reports.
    await python('PATCH', '/v3/components', { json: { patch: { state }, filters } });
    const params = { ...filters, state_details: true };
    const read = await python('GET', '/v3/components', { params });
    const { components } = read.body as { components: { id: string; state: unknown }[] };
    const patches = components.map(({ id, state: reported }) => ({
      ...{ id, error_count: 0 },
      state: (reported as Record<string, unknown>[])
        .filter(({ playbook }) => playbook !== 'iscsi.yml')
        .map((told) => omit(told, 'last_updated')),
    }));
    expect(await python('PATCH', '/v3/components', { json: patches })).toMatchObject({
      status: 200,
      body: { component_ids: ids },
    });
    const shown = await python('GET', `/v3/components/${String(ids[0])}`, {
      params: { state_details: true },
    });
    expect(shown.body).toMatchObject({ state: [{ playbook: 'site.yml', status: 'applied' }] });
    for (const id of ids) await python('DELETE', `/v3/components/${id}`);
  });

  test('cray cfs v3 sources: a name that is a URL is encoded twice', async () => {
    const { repository } = site();
    const credentials = { username: 'reader', password: 'not-this-one' };
    const json = { clone_url: repository.url, credentials };
    const created = await python('POST', '/v3/sources', { json });
    expect(created).toMatchObject({ status: 201, body: { name: repository.url } });
    const one = `/v3/sources/${encodeURIComponent(encodeURIComponent(repository.url))}`;
    const shown = await python('GET', one);
    expect(shown).toMatchObject({ status: 200, body: { clone_url: repository.url } });
    expect(JSON.stringify(shown.body)).not.toContain('not-this-one');
    const layers = [{ source: repository.url, branch: 'main', playbook: 'site.yml' }];
    const put = await python('PUT', '/v3/configurations/sourced', { json: { layers } });
    expect(put.body).toMatchObject({
      layers: [{ source: repository.url, commit: expect.any(String) }],
    });
    expect((await python('DELETE', one)).status).toBe(400);
    await python('DELETE', '/v3/configurations/sourced');
    expect((await python('DELETE', one)).status).toBe(204);
  });
}

function omit(record: Readonly<Record<string, unknown>>, left: string): object {
  return Object.fromEntries(Object.entries(record).filter(([member]) => member !== left));
}

/** Renders a query as Python does: None is left out, True and False are capitalized. */
export function toPythonQuery(parameters: Query): string {
  const given = Object.entries(parameters).filter(([, value]) => value !== null);
  return new URLSearchParams(
    given.map(([name, value]): [string, string] => [
      name,
      typeof value === 'boolean' ? (value ? 'True' : 'False') : String(value),
    ]),
  ).toString();
}

/** Renders JSON as Python does: blanks after `,` and `:`, and only ASCII. */
function toPythonJson(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(toPythonJson).join(', ')}]`;
  if (typeof value === 'object' && value !== null) {
    const members = Object.entries(value).map(
      ([name, inner]) => `${toPythonJson(name)}: ${toPythonJson(inner)}`,
    );
    return `{${members.join(', ')}}`;
  }
  return JSON.stringify(value).replaceAll(
    /[\u0080-\uffff]/g,
    (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
}
