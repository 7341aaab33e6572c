import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { Hono } from 'hono';
import { invalid } from '../../src/core/errors.js';
import { readListBody } from '../../src/api/list-body.js';
import { openHttpService, type HttpService } from './http-service.js';

const MANY = 3_000;
const LIMITS = { maxBodyBytes: 64 * 1024, maxListBytes: 1024 * 1024 };
const LAST = MANY - 1;

let api: HttpService;
beforeAll(async () => {
  api = await openHttpService(LIMITS);
});
afterAll(() => api.close());

/** Some 600 KB. */
const aFleet = (change: (index: number) => object = () => ({})) =>
  Array.from({ length: MANY }, (_, index) => ({
    id: `x${index}`,
    state: [aLayer('site.yml')],
    ...change(index),
  }));
const aLayer = (playbook: string) => ({
  clone_url: 'https://git.example.com/site.git',
  playbook,
  commit: '1'.repeat(40),
  session_name: 'batcher-1',
  status: 'applied',
});

const count = async () => {
  const { items } = await api.store.components.list({}, { limit: MANY + 1 });
  return items.length;
};

test.each(['PUT', 'PATCH'])('%s takes a list that is larger than other bodies', async (method) => {
  const fleet = aFleet((index) => (index === 7 ? { tags: { '"],[{': '\\"]' } } : {}));
  const answer = await api.ask(method, '/v3/components', JSON.stringify(fleet, null, 1));
  const ids = fleet.map(({ id }) => id);
  expect(answer).toMatchObject({ status: 200, body: { component_ids: ids } });
  expect(await count()).toBe(MANY);
  const { body } = await api.ask('GET', '/v3/components/x7?state_details=true');
  expect(body).toMatchObject({ tags: { '"],[{': '\\"]' }, state: [aLayer('site.yml')] });
});

test('PATCH applies several patches of one component in order, and returns its id for each', async () => {
  const patches = Array.from({ length: MANY }, (_, index) => ({
    id: index % 2 === 0 ? 'x1' : `x${index}`,
    tags: { last: String(index) },
  }));
  const { status, body } = await api.ask('PATCH', '/v3/components', patches);
  expect([status, body]).toEqual([200, { component_ids: patches.map(({ id }) => id) }]);
  const found = await api.ask('GET', '/v3/components/x1');
  expect(found.body).toMatchObject({ tags: { last: String(MANY - 2) } });
});

test.each(['PUT', 'PATCH'])('%s takes a list behind a byte order mark', async (method) => {
  const answer = await api.ask(method, '/v3/components', '\ufeff[{"id":"x1"}]');
  expect(answer).toMatchObject({ status: 200, body: { component_ids: ['x1'] } });
  const wrong = await api.ask(method, '/v3/components', '\ufeff[{"id":"x1"},{"enabled":1}]');
  expect(wrong).toMatchObject({
    status: 400,
    body: { detail: expect.stringContaining('1.enabled') },
  });
});

test('two large lists are handled one after the other', async () => {
  const put = (playbook: string) =>
    api.ask(
      'PUT',
      '/v3/components',
      aFleet(() => ({ state: [aLayer(playbook)] })),
    );
  const answers = await Promise.all([put('a.yml'), put('b.yml'), api.ask('GET', '/v3')]);
  expect(answers.map(({ status }) => status)).toEqual([200, 200, 200]);
});

const text = JSON.stringify(aFleet());
test.each<[string, number, unknown, string]>([
  [
    'an element that is wrong',
    400,
    aFleet((index) => (index === LAST ? { enabled: 1 } : {})),
    `${LAST}.enabled`,
  ],
  ['the first of many', 400, aFleet((index) => (index === 0 ? { enabled: 1 } : {})), '0.enabled'],
  [
    'an element without an id',
    400,
    aFleet((index) => (index === LAST ? { id: undefined } : {})),
    `${LAST}.id`,
  ],
  ['one that is gone', 404, aFleet((index) => (index === LAST ? { id: 'gone' } : {})), 'gone'],
  ['a member twice', 400, `${text.slice(0, -2)},"id":"y"}]`, "given twice - 'id'"],
  ['a list without an end', 400, text.slice(0, -1), 'not valid JSON'],
  ['more behind it', 400, `${text}]`, 'not valid JSON'],
  ['a list that is too large', 413, `${text}${' '.repeat(LIMITS.maxListBytes)}`, '1048576'],
  ['an element that is', 413, `[{"id":"${'x'.repeat(2 * LIMITS.maxBodyBytes)}"}]`, '65536'],
  ['no list, and too large', 413, `{"patch":${' '.repeat(LIMITS.maxBodyBytes)}{}}`, '65536'],
  ['nothing', 400, '', 'needs a JSON body'],
  ['blanks', 400, '  \n ', 'not valid JSON'],
])('%s is refused with %i, and nothing is changed', async (_what, status, body, words) => {
  const before = await api.ask('GET', '/v3/components?limit=10&state_details=true');
  const { status: answered, body: problem } = await api.ask('PATCH', '/v3/components', body);
  expect([answered, problem]).toEqual([
    status,
    expect.objectContaining({ detail: expect.stringContaining(words) }),
  ]);
  const after = await api.ask('GET', '/v3/components?limit=10&state_details=true');
  expect(after.body).toEqual(before.body);
});

test('an element is refused for what is wrong with it, even if the rest of the list never comes', async () => {
  const told: unknown[] = [];
  const app = new Hono()
    .put('/', async (c) => {
      await readListBody(c, LIMITS, () => {
        throw invalid('no such member');
      });
      return c.body(null);
    })
    .onError((error, c) => {
      told.push(error.message);
      return c.body(null, 400);
    });
  const pieces = [Buffer.from('[{"enabled":1},')];
  const body = new ReadableStream({
    pull: (client) => {
      const piece = pieces.shift();
      if (piece === undefined) client.error(new Error('broken off'));
      else client.enqueue(piece);
    },
  });
  const headers = { 'content-type': 'application/json' };
  await app.request('/', { method: 'PUT', headers, body, duplex: 'half' });
  expect(told).toEqual(['no such member']);
});
