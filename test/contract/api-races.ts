import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { startSilentServer } from '../end-to-end/silent-server.js';
import { startApiProcess, type ApiAnswer, type ApiProcess } from '../support/api-process.js';
import { waitFor } from '../support/wait.js';

const EACH = 12;

/** What two API processes promise concurrent clients. `openDatabase` returns the environment of the database they share. */
export function apiRaces(
  openDatabase: (directory: string) => Promise<Readonly<Record<string, string>>>,
): void {
  let directory: string;
  let apis: readonly [ApiProcess, ApiProcess];
  beforeAll(async () => {
    directory = await mkdtemp(join(tmpdir(), 'keelson-races-'));
    const environment = {
      KEELSON_DATA: directory,
      GIT_ALLOW_PROTOCOL: 'http',
      ...(await openDatabase(directory)),
    };
    const start = () => startApiProcess(environment);
    apis = await Promise.all([start(), start()]);
    const answer = await apis[0].ask('PUT', '/v3/configurations/c', aConfiguration());
    expect(answer.status).toBe(200);
  });
  afterAll(async () => {
    await Promise.all(apis.map((api) => api.close()));
    await rm(directory, { recursive: true, force: true });
  });

  /** Sends `count` requests at once, every second one to the other process. */
  const askAll = (count: number, ask: (api: ApiProcess, index: number) => Promise<ApiAnswer>) =>
    Promise.all(
      Array.from({ length: count }, (_, index) => ask(apis[index % 2 === 0 ? 0 : 1], index)),
    );
  const create = (api: ApiProcess, name: string) =>
    api.ask('POST', '/v3/sessions', { name, configuration_name: 'c' });

  test('exactly one of many creates of the same name is answered with 201', async () => {
    for (let round = 0; round < 3; round += 1) {
      const answers = await askAll(EACH, (api) => create(api, `one-${round}`));

      expect(countStatuses(answers)).toEqual({ 201: 1, 409: EACH - 1 });
    }
  });

  test('exactly one of many deletes of the same name is answered with 204', async () => {
    for (let round = 0; round < 3; round += 1) {
      await create(apis[0], `gone-${round}`);

      const answers = await askAll(EACH, (api) => api.ask('DELETE', `/v3/sessions/gone-${round}`));

      expect(countStatuses(answers)).toEqual({ 204: 1, 404: EACH - 1 });
    }
  });

  test('concurrent creates and deletes of one name leave as many records as were created and not deleted', async () => {
    const answers = await askAll(3 * EACH, (api, index) =>
      index % 3 === 0 ? api.ask('DELETE', '/v3/sessions/swap') : create(api, 'swap'),
    );
    const {
      201: created = 0,
      204: deleted = 0,
      404: missing = 0,
      409: refused = 0,
    } = countStatuses(answers);

    expect(created + deleted + missing + refused).toBe(3 * EACH);
    const { status } = await apis[1].ask('GET', '/v3/sessions/swap');
    expect(created - deleted).toBe(status === 200 ? 1 : 0);
  });

  test('parallel bulk deletes report each id once, and a list shows all of the sessions or none', async () => {
    const names = Array.from(
      { length: 13 * EACH },
      (_, index) => `bulk-${String(index).padStart(3, '0')}`,
    );
    // In batches, so that no request gets 429.
    for (let first = 0; first < names.length; first += EACH) {
      await askAll(EACH, (api, index) => create(api, names[first + index] ?? ''));
    }
    let isOver = false;
    const lists: ApiAnswer[] = [];
    const listing = apis.map(async (api) => {
      do lists.push(await api.ask('GET', '/v3/sessions?name_contains=bulk-&limit=1000'));
      while (!isOver);
    });

    const answers = await askAll(6, (api) =>
      api.ask('DELETE', '/v3/sessions?status=pending&name_contains=bulk-'),
    );
    isOver = true;
    await Promise.all(listing);

    expect(countStatuses(answers)).toEqual({ 200: 6 });
    const reported = answers.flatMap(({ body }) => (body as { session_ids: string[] }).session_ids);
    expect(reported.sort()).toEqual(names);
    expect(countStatuses(lists)).toEqual({ 200: lists.length });
    for (const { body } of lists) {
      const { sessions } = body as { sessions: { name: string; status: unknown }[] };
      const listed = sessions.map(({ name }) => name);
      expect(listed).toEqual([...new Set(listed)].sort());
      // One transaction deletes all, so a list has all of them or none.
      expect([0, names.length]).toContain(listed.length);
    }
  });

  test('concurrent bulk patches, reports and deletes of components lose nothing', async () => {
    const ids = Array.from({ length: 3 * EACH }, (_, index) => `x${index}`);
    const layers = [aLayer('a')];
    const report = (layer: number) => ({
      state_append: { clone_url: 'https://git/a.git', playbook: `${layer}.yml`, commit: 'a1' },
    });
    await apis[0].ask('PUT', '/v3/configurations/raced', { layers });
    await apis[0].ask('PUT', '/v3/components', [
      ...ids.map((id) => ({ id, desired_config: 'raced', error_count: 0 })),
    ]);
    const kept = ids.filter((_, index) => index % 3 !== 0);
    const answers = await askAll(7 * EACH, (api, index) => {
      const round = Math.floor(index / 7);
      switch (index % 7) {
        case 0:
          return api.ask('DELETE', `/v3/components/${ids[3 * (round % EACH)] ?? ''}`);
        case 1:
          return api.ask('PATCH', '/v3/components', {
            patch: { tags: { [`t${round}`]: 'x' } },
            filters: { config_name: 'raced' },
          });
        case 2:
          return api.ask(
            'PATCH',
            '/v3/components',
            // In alternating orders.
            (round % 2 === 0 ? kept : kept.toReversed()).map((id) => ({ id, ...report(round) })),
          );
        case 3:
          return api.ask('PATCH', '/v3/components', [
            ...ids.map((id) => ({ id, tags: { lost: 'x' } })),
            { id: 'nowhere' },
          ]);
        case 4:
          return api.ask('PATCH', `/v3/components/${kept[round] ?? ''}`, report(100 + round));
        case 5:
          // Changes only columns, which the API does without reading the records.
          return api.ask('PATCH', '/v3/components', {
            patch: { desired_config: 'raced', retry_policy: round, enabled: round % 2 === 0 },
            filters: { config_name: 'raced' },
          });
        default:
          return api.ask('GET', '/v3/components?status=pending&limit=1000&config_name=raced');
      }
    });

    const { 200: done, 204: deleted, 404: refused, ...others } = countStatuses(answers);
    expect([done, deleted, refused, others]).toEqual([5 * EACH, EACH, EACH, {}]);
    const { body } = await apis[1].ask('GET', '/v3/components?state_details=true&limit=1000');
    const { components } = body as {
      components: RacedComponent[];
    };
    expect(components.map(({ id }) => id)).toEqual([...kept].sort());
    expect(new Set(components.map(({ retry_policy: policy }) => policy)).size).toBe(1);
    for (const status of ['pending', 'failed', 'configured', 'unconfigured']) {
      const query = `/v3/components?status=${status}&limit=1000&config_name=raced`;
      const found = (await apis[0].ask('GET', query)).body as { components: RacedComponent[] };
      expect(found.components.map(({ id }) => id)).toEqual(
        components.filter((each) => each.configuration_status === status).map(({ id }) => id),
      );
    }
    for (const { id, tags, state, enabled, retry_policy: policy } of components) {
      expect(enabled).toBe(policy % 2 === 0);
      expect(Object.keys(tags).sort()).toEqual(
        Array.from({ length: EACH }, (_, round) => `t${round}`).sort(),
      );
      const own = kept.indexOf(id);
      const playbooks = [
        ...Array.from({ length: EACH }, (_, round) => `${round}.yml`),
        ...(own < EACH ? [`${100 + own}.yml`] : []),
      ];
      expect(state.map(({ playbook }) => playbook).sort()).toEqual(playbooks.sort());
    }
  });

  test('a source that is deleted while a configuration is saved with it is either in use or already gone', async () => {
    const names = Array.from({ length: 3 * EACH }, (_, index) => `raced-${index}`);
    await askAll(names.length, (api, index) =>
      api.ask('POST', '/v3/sources', {
        name: names[index],
        clone_url: 'http://git.example.org/r.git',
        credentials: { username: 'u', password: 'p' },
      }),
    );
    const { playbook, commit } = aLayer('a');
    const answers = await askAll(2 * names.length, (api, index) => {
      const name = names[Math.floor(index / 2)] ?? '';
      // Both processes do both, and each request comes first half of the time.
      return (index + Math.floor(index / 4)) % 2 === 0
        ? api.ask('DELETE', `/v3/sources/${name}`)
        : api.ask('PUT', `/v3/configurations/${name}`, {
            layers: [{ playbook, commit, source: name }],
          });
    });

    const { body } = await apis[1].ask('GET', '/v3/sources?limit=1000&in_use=true');
    const used = (body as { sources: { name: string }[] }).sources.map(({ name }) => name);
    for (const [index, name] of names.entries()) {
      const pair = answers.slice(2 * index, 2 * index + 2);
      const outcome = pair.map(({ status }) => status).sort();
      const [source, configuration] = await Promise.all([
        apis[0].ask('GET', `/v3/sources/${name}`),
        apis[0].ask('GET', `/v3/configurations/${name}`),
      ]);
      const isKept = source.status === 200;
      expect([outcome, configuration.status]).toEqual(
        isKept ? [[200, 400], 200] : [[204, 400], 404],
      );
      expect(used.includes(name)).toBe(isKept);
      const titles = pair.flatMap(
        ({ body: given }) => (given as { title?: string } | undefined)?.title ?? [],
      );
      expect(titles).toEqual([isKept ? 'Source is in use.' : 'Source does not exist']);
    }
  });

  test('concurrent changes of different options lose nothing', async () => {
    const options = [
      'default_page_size',
      'debug_wait_time',
      'batch_size',
      'batch_window',
      'batcher_check_interval',
      'hardware_sync_interval',
    ];
    for (let value = 1; value <= 4; value += 1) {
      const answers = await askAll(EACH, (api, index) => {
        const [name = '', other = ''] = [options[index % 6], options[(index + 1) % 6]];
        // Neighbours name the shared option in different positions.
        return api.ask('PATCH', '/v3/options', { [name]: value, [other]: value });
      });

      expect(countStatuses(answers)).toEqual({ 200: EACH });
      const { body } = await apis[1].ask('GET', '/v3/options');
      expect(body).toMatchObject(Object.fromEntries(options.map((name) => [name, value])));
    }
  });

  test('concurrent configurations are all stored, and one of one name is the whole of one writer’s', async () => {
    const answers = await askAll(2 * EACH, (api, index) =>
      api.ask('PUT', `/v3/configurations/${index < EACH ? `own-${index}` : 'shared'}`, {
        description: `of ${index}`,
        layers: [aLayer(`a-${index}`), aLayer(`b-${index}`)],
      }),
    );

    expect(countStatuses(answers)).toEqual({ 200: 2 * EACH });
    const { body } = await apis[0].ask('GET', '/v3/configurations?limit=1000');
    const { configurations } = body as { configurations: { name: string }[] };
    const stored = configurations.map(({ name }) => name);
    expect(stored).toEqual(
      expect.arrayContaining(Array.from({ length: EACH }, (_, index) => `own-${index}`)),
    );
    const shared = configurations.find(({ name }) => name === 'shared');
    const writer = /of (\d+)/.exec(JSON.stringify(shared))?.[1] ?? '';
    expect(shared).toMatchObject({ layers: [{ name: `a-${writer}` }, { name: `b-${writer}` }] });
  });

  test('concurrent changes of one configuration or source are all made, one after the other', async () => {
    const credentials = { username: 'u', password: 'p' };
    const source = { name: 'wanted', clone_url: 'http://git.example.org/a.git', credentials };
    expect((await apis[0].ask('POST', '/v3/sources', source)).status).toBe(201);
    const changes = [
      ['PUT', '/v2/configurations/wanted', { layers: [] }],
      ['PATCH', '/v3/configurations/wanted', undefined],
      ['PATCH', '/v3/sources/wanted', { credentials }],
    ] as const;
    for (const [method, path, body] of changes)
      expect(countStatuses(await askAll(2 * EACH, (api) => api.ask(method, path, body)))).toEqual({
        200: 2 * EACH,
      });
  });

  test('a git server that does not answer delays no other request', async () => {
    const git = await startSilentServer();
    const layer = { clone_url: `${git.url}/r.git`, branch: 'main', playbook: 'site.yml' };
    let isAnswered = false;
    const hanging = apis.map((api, index) =>
      api.ask('PUT', `/v3/configurations/hanging-${index}`, { layers: [layer] }).finally(() => {
        isAnswered = true;
      }),
    );
    await waitFor(() => git.connections() >= 2, { what: 'both to ask the git server' });

    const answers = await askAll(EACH, async (api, index) => {
      const stored = await api.ask('PUT', `/v3/configurations/quick-${index}`, aConfiguration());
      return stored.status === 200 ? create(api, `meanwhile-${index}`) : stored;
    });

    expect(countStatuses(answers)).toEqual({ 201: EACH });
    expect(isAnswered).toBe(false);
    await git.close();
    for (const { status } of await Promise.all(hanging)) expect(status).toBeGreaterThanOrEqual(400);
  });
}

interface RacedComponent {
  readonly id: string;
  readonly tags: object;
  readonly state: readonly { readonly playbook: string }[];
  readonly enabled: boolean;
  readonly retry_policy: number;
  readonly configuration_status: string;
}

function aConfiguration() {
  return { layers: [aLayer('a')] };
}

function aLayer(name: string) {
  return {
    name,
    clone_url: 'http://git.example.org/r.git',
    commit: '0123456789abcdef0123456789abcdef01234567',
    playbook: `${name}.yml`,
  };
}

function countStatuses(answers: readonly ApiAnswer[]): Record<number, number> {
  const counts: Record<number, number> = {};
  for (const { status } of answers) counts[status] = (counts[status] ?? 0) + 1;
  return counts;
}
