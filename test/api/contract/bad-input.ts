import { beforeAll, describe, expect, test } from '@jest/globals';
import { fillPath, listOperations, type ApiDocument, type Operation } from '../operations.js';
import { completeSession, type Answer } from '../service.js';
import { readState, type ContractSite } from './site.js';

const url = 'https://git.example.com/a.git';
const commit = '1'.repeat(40);
const target = {
  definition: 'spec',
  groups: [{ name: 'g', members: ['x1'] }],
  image_map: [{ source_id: 'i', result_name: 'r' }],
};
const tags = { owner: 'ann' };
const artifact = { image_id: 'i', result_id: 'r', type: 't', more: { deep: ['x'] } };
const session = { status: 'running', succeeded: 'none', ims_job: 'i', note: { deep: ['x'] } };

const layer = { clone_url: url, playbook: 'a.yml', commit, session_name: 's', status: 'applied' };
const layerV2 = { cloneUrl: url, playbook: 'a.yml', commit, sessionName: 's' };
const component = { state: [layer], desired_config: 'there', tags };
const componentV2 = { state: [layerV2], desiredConfig: 'there', tags };

/** For each operation, a body with every member that holds text. */
const bodies: Readonly<Record<string, object>> = {
  'POST /v3/sessions': {
    ...{ name: 'new', configuration_name: 'debug_noop', configuration_limit: '0' },
    ...{ ansible_limit: 'x1', ansible_config: 'c', ansible_passthrough: '-t x', target, tags },
  },
  'POST /v2/sessions': {
    ...{ name: 'new', configurationName: 'there', configurationLimit: '0' },
    ...{ ansibleLimit: 'x1', ansibleConfig: 'c', ansiblePassthrough: '-t x', target, tags },
  },
  'PUT /v3/configurations/{configuration_id}': {
    description: 'd',
    layers: [{ name: 'n', clone_url: url, playbook: 'a.yml', commit }],
    additional_inventory: { name: 'n', clone_url: url, commit },
  },
  'PUT /v2/configurations/{configuration_id}': {
    description: 'd',
    layers: [{ name: 'n', cloneUrl: url, playbook: 'a.yml', commit }],
    additional_inventory: { name: 'n', cloneUrl: url, commit },
  },
  'POST /v3/sources': {
    ...{ name: 'new', clone_url: url, description: 'd', ca_cert: { configmap_name: 'c' } },
    credentials: { authentication_method: 'password', username: 'u', password: 'p' },
  },
  'POST /v3/sources/{source_id}': {
    ...{ clone_url: url, description: 'd', ca_cert: { configmap_name: 'c' } },
    credentials: { authentication_method: 'password', secret_name: 's' },
  },
  'PATCH /v3/sources/{source_id}': {
    ...{ clone_url: url, description: 'd', ca_cert: { configmap_name: 'c' } },
    credentials: { username: 'u', password: 'p' },
  },
  'PUT /v3/components': [{ id: 'x1', ...component }],
  'PUT /v2/components': [{ id: 'x1', ...componentV2 }],
  'PATCH /v3/components': [{ id: 'there', ...component, state_append: layer }],
  'PATCH /v2/components': [{ id: 'there', ...componentV2, stateAppend: layerV2 }],
  'PUT /v3/components/{component_id}': component,
  'PUT /v2/components/{component_id}': componentV2,
  'PATCH /v3/components/{component_id}': { ...component, state_append: layer },
  'PATCH /v2/components/{component_id}': { ...componentV2, stateAppend: layerV2 },
  'PATCH /v3/options': {
    ...{ default_ansible_config: 'c', logging_level: 'INFO', session_ttl: '7d' },
    ...{ additional_inventory_url: url, additional_inventory_source: 's' },
  },
  'PATCH /v2/options': {
    ...{ defaultAnsibleConfig: 'c', loggingLevel: 'INFO', sessionTTL: '7d' },
    ...{ additionalInventoryUrl: url, defaultPlaybook: 'a.yml' },
  },
  'PATCH /v3/sessions/{session_name}': { status: { session, artifacts: [artifact] } },
  'PATCH /v2/sessions/{session_name}': { status: { session, artifacts: [artifact] } },
  'POST /v3/sessions/{session_name}/cancel': { reason: 'r' },
  'POST /v3/sessions/{session_name}/hold': {},
  'POST /v3/sessions/{session_name}/release': {},
  'POST /v3/sessions/{session_name}/retry': {},
  'POST /v3/sessions/{session_name}/apply': {},
};

const fillAll = (text: string) => ({
  session_name: text,
  configuration_id: text,
  component_id: text,
  source_id: text,
});
const there = fillAll('there');
const DELETED = { at: '2026-01-02T03:04:05.000Z', by: 'test' };
const URL_LENGTH = 60_000;
const CONTROLS = '\u0001\t\r\n\u001b\u007f\u0085\u2028\u202e\ufeff';

/** Values that replace each text of a body in turn. */
const unfit: readonly unknown[] = ['a\0b', '\ud800', null, { a: 'b' }, ['x\0']];
const odd: readonly unknown[] = [CONTROLS, 'é'.repeat(20_000), 1e300];

export function badInputContract(site: () => ContractSite): void {
  let operations: readonly Operation[] = [];
  beforeAll(async () => {
    const { ask, store } = site();
    operations = listOperations((await ask('GET', '/openapi.json')).body as ApiDocument);
    await ask('PUT', '/v3/configurations/there', { layers: [] });
    await ask('POST', '/v3/sessions', { name: 'there', configuration_name: 'there' });
    await ask('PUT', '/v3/components/there', { desired_config: 'there' });
    const credentials = { username: 'u', password: 'p' };
    await ask('POST', '/v3/sources', { name: 'there', clone_url: url, credentials });
    await completeSession(store, 'there');
  });

  let known: unknown;
  /** Sends a request and checks that nothing has changed if the answer is an error. */
  const ask = async (method: string, path: string, body?: unknown): Promise<Answer> => {
    const isReading = method === 'GET';
    if (!isReading) known ??= await readState(site());
    const answer = await site().ask(method, path, body);
    const asked = `${method} ${path.slice(0, 80)} ${JSON.stringify({ body }).slice(0, 200)}`;
    expect([asked, answer.status < 500]).toEqual([asked, true]);
    if (answer.status < 400) known = undefined;
    else if (!isReading) expect([asked, await readState(site())]).toEqual([asked, known]);
    return answer;
  };
  const refuse = async (status: number, ...asked: Parameters<typeof ask>) => {
    const answer = await ask(...asked);
    expect([...asked, answer]).toEqual([...asked, expect.objectContaining({ status })]);
    return answer;
  };

  describe('bad input', () => {
    test('is tried on every operation that takes a body', () => {
      const taking = operations.filter(({ example }) => example !== undefined);
      const asked = taking.map(({ method, path }) => `${method} ${path}`);
      expect(asked.sort()).toEqual(Object.keys(bodies).sort());
    });

    test('in any part of a path is refused, or names nothing that exists', async () => {
      for (const { method, path } of operations.filter((operation) => /\{/.test(operation.path))) {
        const fill = (text: string) => fillPath(path, fillAll(text));
        const body = bodies[`${method} ${path}`];
        await refuse(400, method, fill('%00'), body);
        await refuse(400, method, fill(`there%00`), body);
        for (const text of [encodeURIComponent(CONTROLS), '%ff', '%', '%2f..%2f', '..%00%2f']) {
          await ask(method, fill(text), body);
        }
        const { status } = await ask(method, fill('x'.repeat(URL_LENGTH)), body);
        expect([400, 404]).toContain(status);
      }
    });

    test('in any query parameter is refused, or matches nothing', async () => {
      for (const { method, path, queries } of operations) {
        for (const name of queries) {
          const query = (value: string) => `${fillPath(path, there)}?${name}=${value}`;
          const body = bodies[`${method} ${path}`];
          await refuse(400, method, query('a%00b'), body);
          for (const value of ['%ff', '%', encodeURIComponent(CONTROLS), 'x'.repeat(URL_LENGTH)]) {
            const { status } = await ask(method, query(value), body);
            expect([200, 204, 400, 404]).toContain(status);
          }
        }
      }
    });

    test.each(['v2', 'v3'])('that is an absurd age is refused in %s', async (version) => {
      const parameters = ['min_age', 'max_age', ...(version === 'v2' ? ['age'] : [])];
      const ages = ['1', 'd', '-1d', '1.5d', '1d1h', '1%20d', '1y', '9'.repeat(30) + 'd'];
      for (const name of parameters) {
        for (const age of [...ages, '999999999w', '99999999d', '1d%0a', '%D9%A1d', 'null']) {
          for (const method of ['GET', 'DELETE']) {
            await refuse(400, method, `/${version}/sessions?${name}=${age}`);
          }
        }
      }
    });

    test.each(Object.keys(bodies))('in any member of %s is refused', async (operation) => {
      const { method, path, body } = prepare(operation);
      for (const value of unfit) {
        for (const changed of replaceTexts(body, value)) {
          const isFree = isPatched(path, changed.path) && typeof value !== 'string';
          const holdsNul = JSON.stringify(value).includes('u0000');
          if (isFree && !holdsNul) await ask(method, path, changed.value);
          else await refuse(400, method, path, changed.value);
        }
      }
    });

    test.each(Object.keys(bodies))('in names of members of %s is refused', async (operation) => {
      const { method, path, body } = prepare(operation);
      for (const name of ['\0', '\ud800', '__proto__x', CONTROLS]) {
        await refuse(400, method, path, { ...body, [name]: 1 });
      }
    });

    test.each(Object.keys(bodies))('that is odd in %s is no fault of ours', async (operation) => {
      const { method, path, body } = prepare(operation);
      for (const value of odd) {
        for (const { value: changed } of replaceTexts(body, value)) {
          const { status } = await ask(method, path, changed);
          if (status < 400) await site().store.sessions.deleteMany({ state: 'pending' }, DELETED);
        }
      }
    });

    test.each(Object.keys(bodies))('to %s that is too much is refused', async (operation) => {
      const { method, path, body } = prepare(operation);
      const text = JSON.stringify(body);
      const [name = 'x'] = Object.keys(body);
      const twice = `{"${name}":${JSON.stringify(Object.values(body)[0] ?? 1)},"${name}":1}`;
      const escaped = '{"\\u0078":1,"x":1}';
      const deep = (levels: number) => `{"x":${'['.repeat(levels)}${']'.repeat(levels)}}`;
      for (const bad of [twice, escaped, deep(100), deep(20_000), `${text}}`, text.slice(0, -1)]) {
        await refuse(400, method, path, bad);
      }
      await refuse(400, method, path, Buffer.from([0x7b, 0x22, 0xff, 0x22, 0x3a, 0x31, 0x7d]));
      const { maxBodyBytes } = site().deps;
      await refuse(413, method, path, `${text}${' '.repeat(maxBodyBytes)}`);
      const large = { ...body, large: 'x'.repeat(maxBodyBytes) };
      const { body: problem } = await refuse(413, method, path, large);
      expect(problem).toMatchObject({
        title: 'Content Too Large',
        detail: expect.stringContaining(String(maxBodyBytes)),
      });
    });
  });
}

function prepare(operation: string) {
  const [method = '', path = ''] = operation.split(' ');
  return { method, path: fillPath(path, there), body: bodies[operation] ?? {} };
}

/** Whether a PATCH accepts any JSON in this member. */
function isPatched(path: string, member: string): boolean {
  return (
    /^\/v[23]\/sessions\/there$/.test(path) && /^status\.(?:session|artifacts\.0)\./.test(member)
  );
}

interface Changed {
  readonly path: string;
  readonly value: unknown;
}

/** Copies of a body, each with another text replaced by this value. */
function replaceTexts(given: unknown, value: unknown, path = ''): readonly Changed[] {
  if (typeof given === 'string') return [{ path: path.slice(1), value }];
  if (typeof given !== 'object' || given === null) return [];
  return Object.entries(given).flatMap(([name, inner]) =>
    replaceTexts(inner, value, `${path}.${name}`).map((changed) => ({
      path: changed.path,
      value: Array.isArray(given)
        ? given.with(Number(name), changed.value)
        : { ...given, [name]: changed.value },
    })),
  );
}
