import { execFileSync } from 'node:child_process';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { planCovering } from './plan.js';
import { createRandom } from './random.js';
import { runRound } from './round.js';
import { openStand, type Stand, type StandKind } from './stand.js';

/** Machines of tests are slow at times; `npm run chaos` measures. */
const LIMIT_SECONDS = 180;
const MOST_MS = 420_000;

/** Of the commit, so that another one meets other moments; CHAOS_SEED repeats a run. */
const seed = Number(process.env['CHAOS_SEED'] ?? readCommit());

function readCommit(): number {
  const head = execFileSync('git', ['rev-parse', '--short=7', 'HEAD'], { encoding: 'utf8' });
  return Number.parseInt(head, 16);
}

/** The covering plan's strikes of these faults, one test each, on one stand. */
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
    // A seed of its own for each, as names follow from it.
    strikes.map(({ fault, moments }, index) => ({
      ...{ fault, moments, seed: seed + index },
      what: `${fault.name} at ${moments.join(', ')}`,
    })),
  )(
    `$what (CHAOS_SEED=${seed})`,
    async ({ fault, moments, seed }) => {
      const cells = await runRound(stand, fault, moments, { seed, limitSeconds: LIMIT_SECONDS });
      const failed = cells.filter(({ wrong }) => wrong.length > 0);
      expect(failed.map(({ moment, wrong }) => ({ moment, wrong }))).toEqual([]);
    },
    MOST_MS,
  );
}
