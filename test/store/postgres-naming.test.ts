import { expect, test } from '@jest/globals';
import { createNaming } from '../../src/store/database/postgres-naming.js';

const nameAfter = (toName: (text: string) => string | undefined, text: string, times = 30) =>
  Array.from({ length: times }, () => toName(text)).at(-1);

test('gives frequent statements names of their own, but no more than the server is to keep', () => {
  const toName = createNaming();
  const texts = Array.from({ length: 150 }, (_, index) => `update phases set state = ${index}`);

  expect(toName('select 1')).toBeUndefined();
  expect(nameAfter(toName, 'select 1')).toBeDefined();
  const names = texts.map((text) => nameAfter(toName, text)).filter((name) => name !== undefined);
  expect(new Set(names).size).toBe(names.length);
  expect(names).toHaveLength(99);
  expect(texts.map((text) => toName(text)).filter((name) => name !== undefined)).toEqual(names);
});

test.each([
  'begin',
  'select * from sessions',
  'update sessions set phase = $1 returning *',
  'select id from components order by id limit $1',
  `select ${'x'.repeat(2_000)}`,
])('never names what is better planned anew: %s', (text) => {
  expect(nameAfter(createNaming(), text)).toBeUndefined();
});

test('keeps its names when it has seen very many statements', () => {
  const toName = createNaming();
  const first = nameAfter(toName, 'select 1');
  for (let index = 0; index < 3_000; index += 1) toName(`select ${index} as other`);

  expect(nameAfter(toName, 'select 1')).toBe(first);
  expect(nameAfter(toName, 'select 2 as next')).not.toBe(first);
});
