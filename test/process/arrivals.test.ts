import { setImmediate as nextTurn } from 'node:timers/promises';
import { describe, expect, test } from '@jest/globals';
import { createArrivals } from '../../src/process/arrivals.js';

describe('createArrivals', () => {
  test('acts at once if no connection arrives', () => {
    const arrivals = createArrivals();
    const acts: string[] = [];
    arrivals.pass(() => acts.push('a'));
    expect(acts).toEqual(['a']);
  });

  test('acts when no more connections arrive, in the order of the requests', async () => {
    const arrivals = createArrivals();
    const acts: string[] = [];
    arrivals.arrive();
    arrivals.pass(() => acts.push('a'));
    for (let turn = 0; turn < 10; turn += 1) {
      await nextTurn();
      arrivals.arrive();
      arrivals.pass(() => acts.push(`turn ${turn}`));
      expect(acts).toEqual([]);
    }
    await nextTurn();
    await nextTurn();
    expect(acts).toEqual(['a', ...Array.from({ length: 10 }, (_, turn) => `turn ${turn}`)]);
    arrivals.pass(() => acts.push('at once'));
    expect(acts.at(-1)).toBe('at once');
  });

  test('lets no request wait forever while connections keep arriving', async () => {
    const arrivals = createArrivals();
    const acts: string[] = [];
    arrivals.arrive();
    arrivals.pass(() => acts.push('a'));
    let turns = 0;
    for (; acts.length === 0 && turns < 1_000; turns += 1) {
      arrivals.arrive();
      await nextTurn();
    }
    expect(acts).toEqual(['a']);
    expect(turns).toBeGreaterThan(100);
  });
});
