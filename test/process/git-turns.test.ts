import { setImmediate as turn } from 'node:timers/promises';
import { expect, test } from '@jest/globals';
import { limitGit } from '../../src/process/git-turns.js';

const never = new AbortController().signal;

/** Answers each request when told to, in order of arrival. */
function createClient() {
  const waiting: { readonly url: string; readonly answer: () => void }[] = [];
  const client = limitGit(
    {
      resolve: (url, ref) =>
        new Promise((resolve) => waiting.push({ url, answer: () => resolve(ref) })),
    },
    2,
  );
  return { client, waiting };
}

test('at most that many requests go to one server at a time, and all are answered', async () => {
  const { client, waiting } = createClient();
  const urls = ['https://one/a', 'https://me@one/b', 'https://One/c', 'https://one/d'];
  const commits = Promise.all(urls.map((url, index) => client.resolve(url, `${index}`, never)));
  await turn();
  expect(waiting).toHaveLength(2);
  waiting[1]?.answer();
  await turn();
  expect(waiting).toHaveLength(3);
  waiting[0]?.answer();
  await turn();
  expect(waiting).toHaveLength(4);
  for (const { answer } of waiting) answer();
  expect(await commits).toEqual(['0', '1', '2', '3']);
});

test.each([
  ['git@one:', 'git@two:'],
  ['one:', 'two:'],
])('a server that does not answer holds up no other: %s', async (one, two) => {
  const { client, waiting } = createClient();
  for (const path of ['a', 'b', 'c']) void client.resolve(`${one}${path}`, '', never);
  void client.resolve(`${two}a`, '', never);
  await turn();
  expect(waiting.map(({ url }) => url)).toEqual([`${one}a`, `${one}b`, `${two}a`]);
});

test('a request that is aborted while it waits is never sent', async () => {
  const { client, waiting } = createClient();
  const caller = new AbortController();
  for (const path of ['a', 'b']) void client.resolve(`https://one/${path}`, '', never);
  const left = client.resolve('https://one/c', '', caller.signal);
  const next = client.resolve('https://one/d', 'tip', never);
  caller.abort(new Error('gone'));
  await expect(left).rejects.toThrow('gone');
  waiting[0]?.answer();
  await turn();
  expect(waiting.map(({ url }) => url)).toEqual([
    'https://one/a',
    'https://one/b',
    'https://one/d',
  ]);
  waiting[2]?.answer();
  expect(await next).toBe('tip');
});

test('a request that waits for its turn hears that the server answers others, until it is sent', async () => {
  const { client, waiting } = createClient();
  let moves = 0;
  for (const path of ['a', 'b', 'c']) void client.resolve(`https://one/${path}`, '', never);
  void client.resolve('https://one/d', '', never, undefined, () => (moves += 1));
  await turn();
  waiting[0]?.answer();
  await turn();
  expect([waiting.length, moves]).toEqual([3, 1]);
  waiting[1]?.answer();
  await turn();
  expect([waiting.length, moves]).toEqual([4, 2]);
  waiting[2]?.answer();
  await turn();
  expect(moves).toBe(2);
});
