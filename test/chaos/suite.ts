import { execFileSync } from 'node:child_process';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import type { Fault } from './fault.js';
import type { Moment } from './moments.js';
import { planCovering } from './plan.js';
import { createRandom } from './random.js';
import { runRound, type Cell } from './round.js';
import { openStand, type Stand, type StandKind } from './stand.js';

const MOST_MS = 420_000;
/** Makes names of sessions that no other strike has. */
const AGAIN = 1_000_000;

/** Derived from the commit, so that each commit tests other moments. CHAOS_SEED repeats a run. */
const seed = Number(process.env['CHAOS_SEED'] ?? readCommit());

function readCommit(): number {
  const head = execFileSync('git', ['rev-parse', '--short=7', 'HEAD'], { encoding: 'utf8' });
  return Number.parseInt(head, 16);
}

/** Makes a test of each strike of these faults in the covering plan, all on one stand. */
export function testStrikes(kind: StandKind, isMeant: (fault: string) => boolean): void {
  const strikes = planCovering(createRandom(seed)).filter(
    ({ fault }) => fault.stand === kind && isMeant(fault.name),
  );
  let stand: Stand;
  beforeAll(async () => {
    stand = await openStand(kind);
  });
  afterAll(() => stand.close(), 60_000);

  test.each(
    // Each has its own seed, because names of sessions are derived from it.
    strikes.map(({ fault, moments }, index) => ({
      ...{ fault, moments, seed: seed + index },
      what: `${fault.name} at ${moments.join(', ')}`,
    })),
  )(
    `$what (CHAOS_SEED=${seed})`,
    async ({ fault, moments, seed }) => {
      const cells = await runTwiceIfLate(stand, fault, moments, seed);
      const failed = cells.filter(({ wrong }) => wrong.length > 0);
      expect(failed.map(({ moment, wrong }) => ({ moment, wrong }))).toEqual([]);
    },
    MOST_MS,
  );
}

/**
 * Test machines are slow at times, so what was only late is struck once more: a defect makes it late again. The results are
 * those of the last try.
 */
async function runTwiceIfLate(
  stand: Stand,
  fault: Fault,
  moments: readonly Moment[],
  seed: number,
): Promise<readonly Cell[]> {
  const cells = await runRound(stand, fault, moments, seed);
  const late = cells.filter(({ isLate }) => isLate).map(({ moment }) => moment);
  if (late.length === 0) return cells;
  const again = await runRound(stand, fault, late, seed + AGAIN);
  return [...cells.filter(({ isLate }) => !isLate), ...again];
}
