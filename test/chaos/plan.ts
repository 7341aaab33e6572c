import { PHASES } from '../support/kill-site.js';
import { STEPS } from '../support/kill-steps.js';
import { databaseFaults } from './database-faults.js';
import type { Fault } from './fault.js';
import { DONE_STEPS, isStep, toDoneStep, type Moment } from './moments.js';
import { outsideFaults } from './outside-faults.js';
import { processFaults } from './process-faults.js';
import type { Random } from './random.js';

export const FAULTS: readonly Fault[] = [...processFaults, ...databaseFaults, ...outsideFaults];

/** One fault, and the moments at which it strikes together, one session at each. */
export interface Strike {
  readonly fault: Fault;
  readonly moments: readonly Moment[];
}

export function findFault(name: string): Fault {
  const fault = FAULTS.find((each) => each.name === name);
  if (fault === undefined)
    throw new Error(
      `${name}: unknown fault. The faults are ${FAULTS.map((each) => each.name).join(', ')}.`,
    );
  return fault;
}

/**
 * Up to three strikes, because sessions are held in ways that exclude each other: after a step's write by stopping Temporal,
 * before it by locking the database, and at all other moments with neither.
 */
function toStrikes(fault: Fault, moments: readonly Moment[]): readonly Strike[] {
  const done = moments.filter((moment) => toDoneStep(moment) !== undefined);
  const steps = moments.filter(isStep);
  const rest = moments.filter((moment) => !done.includes(moment) && !isStep(moment));
  return [done, steps, rest]
    .filter((some) => some.length > 0)
    .map((some) => ({ fault, moments: some }));
}

/** Every fault at every moment at which it makes sense. */
export function planAll(): readonly Strike[] {
  return FAULTS.flatMap((fault) => toStrikes(fault, fault.moments));
}

/** Kills the worker at every moment and causes the other faults at one or two, so that each fault and moment occurs. */
export function planCovering(random: Random): readonly Strike[] {
  const [first = [], second = []] = halve(PHASES, random);
  return [
    { fault: findFault('worker-kill'), moments: STEPS },
    { fault: findFault('worker-kill'), moments: [...DONE_STEPS, ...first] },
    { fault: findFault('worker-kill'), moments: ['POST', 'start', 'hold', ...second] },
    ...FAULTS.filter(({ name }) => name !== 'worker-kill').map((fault) => ({
      fault,
      moments: pickFew(fault, random),
    })),
  ];
}

function halve<T>(items: readonly T[], random: Random): readonly T[][] {
  const first = items.filter(() => random.isHeads());
  return [first, items.filter((item) => !first.includes(item))];
}

/** Leaves out steps where it can, because holding them by a lock on the database is slow. `worker-kill` covers them. */
function pickFew({ moments, name }: Fault, random: Random): readonly Moment[] {
  if (name === 'reset') return ['complete', random.pick(PHASES)];
  const quick = moments.filter((each) => !isStep(each) && toDoneStep(each) === undefined);
  return [random.pick(quick.length > 0 ? quick : moments)];
}
