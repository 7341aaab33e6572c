import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { isStep, MOMENTS } from './moments.js';
import { FAULTS, findFault, planAll, planCovering, type Strike } from './plan.js';
import { createRandom } from './random.js';

const toPairs = (strikes: readonly Strike[]) =>
  strikes.flatMap(({ fault, moments }) => moments.map((moment) => `${fault.name} at ${moment}`));

const ALL = FAULTS.flatMap((fault) => toPairs([{ fault, moments: fault.moments }])).sort();

/** Sessions before the write of a step are held by a lock on the database, which would hold all others, too. */
const mixes = ({ moments }: Strike) => moments.some(isStep) && !moments.every(isStep);

const forEachSeed = (check: (plan: readonly Strike[], seed: number) => void) =>
  fc.assert(
    fc.property(fc.nat(), (seed) => check(planCovering(createRandom(seed)), seed)),
    { numRuns: 500 },
  );

describe('planCovering', () => {
  test('causes each fault, strikes at each moment, and kills the worker once at every moment', () => {
    const everyKill = findFault('worker-kill').moments;
    forEachSeed((plan) => {
      const faults = new Set(plan.map(({ fault }) => fault));
      expect(FAULTS.filter((fault) => !faults.has(fault))).toEqual([]);
      const moments = new Set(plan.flatMap((strike) => strike.moments));
      expect(MOMENTS.filter((moment) => !moments.has(moment))).toEqual([]);
      const kills = plan.filter(({ fault }) => fault.name === 'worker-kill');
      const killed = kills.flatMap((strike) => strike.moments);
      expect([...killed].sort()).toEqual([...everyKill].sort());
    });
  });

  test('pairs only what makes sense, and holds sessions together only in ways that go together', () => {
    forEachSeed((plan) => {
      expect(toPairs(plan).filter((pair) => !ALL.includes(pair))).toEqual([]);
      expect(plan.filter(({ moments }) => moments.length === 0)).toEqual([]);
      expect(plan.filter(mixes)).toEqual([]);
    });
  });

  test('is repeated by its seed, and moves with it', () => {
    const seen = new Set<string>();
    forEachSeed((plan, seed) => {
      expect(toPairs(planCovering(createRandom(seed)))).toEqual(toPairs(plan));
      for (const pair of toPairs(plan)) seen.add(pair);
    });
    for (const { name, moments } of FAULTS) {
      const struck = [...seen].filter((pair) => pair.startsWith(`${name} at `));
      expect([name, struck.length > 1]).toEqual([name, moments.length > 1]);
    }
  });
});

test('planAll has every pair once', () => {
  expect(toPairs(planAll()).sort()).toEqual(ALL);
  expect(planAll().filter(mixes)).toEqual([]);
});
