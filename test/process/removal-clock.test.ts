import { expect, test } from '@jest/globals';
import { createRemovalClock } from '../../src/process/removal-clock.js';
import type { SweepStore } from '../../src/store/store.js';

const read = (time: string) =>
  createRemovalClock({ sweep: { clock: () => Promise.resolve(time) } as SweepStore })();

test('nothing is removed because the clock of the database is ahead', async () => {
  const before = new Date().toISOString();
  const told = await read('2096-01-02T03:04:05.000Z');
  expect(told >= before && told <= new Date().toISOString()).toBe(true);
});

test('nothing is removed because the clock of the worker is ahead', async () => {
  expect(await read('1996-01-02T03:04:05.000Z')).toBe('1996-01-02T03:04:05.000Z');
});
