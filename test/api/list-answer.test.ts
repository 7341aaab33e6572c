import { afterEach, expect, test } from '@jest/globals';
import { Hono } from 'hono';
import { HTTPException } from 'hono/http-exception';
import type { ApiEnv } from '../../src/api/dependencies.js';
import { answerList, answerPage, type ListAnswer } from '../../src/api/list-answer.js';
import { isServiceError } from '../../src/core/errors.js';
import { listen } from '../../src/process/listen.js';
import type { Page, PageRequest } from '../../src/store/database/page.js';

interface Item {
  readonly id: string;
  readonly text: string;
}

/** Some 12 MB: more than is in memory at once. */
const COUNT = 6_000;
const TEXT = 'x'.repeat(2_000);
const ITEMS = Array.from({ length: COUNT }, (_, index) => ({
  id: String(index).padStart(5, '0'),
  text: TEXT,
}));

const closers: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0)) await close();
});

interface Site {
  /** What was asked of the store. */
  readonly asked: PageRequest[];
  readonly complaints: unknown[];
  readonly get: (path: string) => Promise<Response>;
}

/** Serves records as v3 and v2 do. `change` may replace what a read finds. */
async function openSite(
  items: readonly Item[],
  limit: number,
  {
    change = (page) => page,
    render = (some) => some,
  }: {
    readonly change?: (page: Page<Item>, reads: number) => Page<Item>;
    readonly render?: ListAnswer<Item, Item>['render'];
  } = {},
): Promise<Site> {
  const asked: PageRequest[] = [];
  const complaints: unknown[] = [];
  const warn = (fields: object) => void complaints.push(fields);
  const logger = { debug: warn, info: warn, warn, error: warn };
  const list = {
    limit,
    read: (page: PageRequest) => {
      asked.push(page);
      const from = items.findIndex(({ id }) => id > (page.afterId ?? ''));
      const found = from < 0 ? [] : items.slice(from);
      const read = { items: found.slice(0, page.limit), hasMore: found.length > page.limit };
      return Promise.resolve().then(() => change(read, asked.length));
    },
    render,
    toId: ({ id }: Item) => id,
  };
  const toNext = (after_id: string) => ({ after_id });
  const app = new Hono<ApiEnv>();
  app.get('/v3', (c) => answerPage(c, logger, { ...list, member: 'items', toNext }, { first: 1 }));
  app.get('/v2', (c) => answerList(c, logger, list));
  app.onError((error) =>
    isServiceError(error) ? new HTTPException(400).getResponse() : Promise.reject(error),
  );
  const listener = await listen(app, { host: '127.0.0.1', port: 0 });
  closers.push(() => listener.close());
  return { asked, complaints, get: (path) => fetch(listener.url + path) };
}

test('a short page is one read and has a length', async () => {
  const site = await openSite(ITEMS.slice(0, 3), 2);
  const answer = await site.get('/v3');
  const { first, items, next } = await read(answer);
  expect([first, items, next]).toEqual([1, ITEMS.slice(0, 2), { after_id: '00001' }]);
  expect(Number(answer.headers.get('content-length'))).toBeGreaterThan(4_000);
  expect(answer.headers.get('content-type')).toBe('application/json');
  expect(site.asked).toEqual([{ limit: 2 }]);
});

test.each([
  ['all', COUNT, null],
  ['all but one', COUNT - 1, { after_id: ITEMS[COUNT - 2]?.id }],
  ['fewer than there might be', COUNT * 1000, null],
])('a large page is read in pieces: %s', async (_, limit, next) => {
  const site = await openSite(ITEMS, limit);
  const answered = await read(await site.get('/v3'));
  expect(answered.items.length).toBe(Math.min(limit, COUNT));
  expect(answered).toEqual({ first: 1, items: ITEMS.slice(0, limit), next });
  expect(site.asked.length).toBeGreaterThan(3);
  // What is in memory at once does not depend on the limit.
  expect(Math.max(...site.asked.map((page) => page.limit))).toBeLessThan(2_500);
});

test('records that vanish while a page is read leave it whole', async () => {
  const site = await openSite(ITEMS, COUNT, {
    change: (page, reads) => (reads < 3 ? page : { items: [], hasMore: false }),
  });
  const { items, next } = await read(await site.get('/v3'));
  expect([items.length, next]).toEqual([
    site.asked[2]?.afterId === undefined ? 0 : Number(site.asked[2].afterId) + 1,
    null,
  ]);
});

test('a page that cannot be read to its end is not taken for a whole one', async () => {
  const site = await openSite(ITEMS, COUNT, {
    change(page, reads) {
      if (reads === 4) throw new Error('The database is away.');
      return page;
    },
  });
  await expect(site.get('/v3').then((answer) => answer.text())).rejects.toThrow();
  expect(site.complaints).toEqual([
    { err: expect.objectContaining({ message: 'The database is away.' }) as unknown },
  ]);
});

test('a large list of v2 is read in pieces, and refused as a whole if it exceeds the limit', async () => {
  const [enough, less] = [await openSite(ITEMS, COUNT), await openSite(ITEMS, COUNT - 1)];
  expect(await (await enough.get('/v2')).json()).toEqual(ITEMS);
  expect(Math.max(...enough.asked.map((page) => page.limit))).toBeLessThan(2_500);
  expect((await less.get('/v2')).status).toBe(400);
});

test('a list of v2 that one read finds is sent while it is rendered', async () => {
  const few = ITEMS.slice(0, 1_000);
  let rendered = 0;
  const render = async function* (items: readonly Item[]) {
    for (const item of items) {
      rendered += 1;
      // Only one who takes the answer sees the second half being rendered.
      if (rendered === 900) await taken.promise;
      yield [item];
    }
  };
  const taken = Promise.withResolvers<undefined>();
  const [enough, less] = [
    await openSite(few, 1_000, { render }),
    await openSite(few, 999, { render }),
  ];
  expect((await less.get('/v2')).status).toBe(400);
  expect(rendered).toBe(0);
  const answer = await enough.get('/v2');
  taken.resolve(undefined);
  expect(await answer.json()).toEqual(few);
});

test('records that are gone when they are rendered leave the others', async () => {
  const site = await openSite(ITEMS, COUNT, {
    // eslint-disable-next-line @typescript-eslint/require-await
    render: async function* (items) {
      yield items.filter(({ id }) => id >= '03000');
    },
  });
  expect((await read(await site.get('/v3'))).items).toEqual(ITEMS.slice(3_000));
  expect(Math.max(...site.asked.map((page) => page.limit))).toBeLessThan(2_500);
});

test('an empty list', async () => {
  const site = await openSite([], 1000);
  expect(await (await site.get('/v3')).text()).toBe('{"first":1,"items":[],"next":null}');
  expect(await (await site.get('/v2')).text()).toBe('[]');
});

async function read(answer: Response) {
  return (await answer.json()) as { first: number; items: Item[]; next: unknown };
}
