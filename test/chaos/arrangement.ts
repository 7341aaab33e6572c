import type { Cluster } from '../support/cluster.js';
import type { HeldPhase } from '../support/kill-site.js';
import { holdSteps, type Step } from '../support/kill-steps.js';
import { isPhase, isStep, toDoneStep, type Moment } from './moments.js';
import { postStubbornly, rerunStubbornly } from './post.js';
import type { Random } from './random.js';
import type { Stand } from './stand.js';

/** How a session comes to its moment. `posted` and `unpinned` are not held, but posted while the fault lasts. */
export type Way = 'held' | 'posted' | 'unpinned';

export interface ChaosSession {
  readonly name: string;
  readonly moment: Moment;
  readonly way: Way;
}

/** Sessions that wait at their moments. */
export interface Arrangement {
  /** Whether holding the sessions keeps the database locked. */
  readonly locksDatabase: boolean;
  /** Releases the steps and posts what is to be posted during the fault, and releases a random part of phases and holds. */
  readonly letSomeGo: () => void;
  /** Releases everything that is still held. */
  readonly letGo: () => void;
  /** Resolves when the API has accepted every session, and every rerun. */
  readonly whenPosted: () => Promise<void>;
}

/** Resolves when every session is where it is meant to be. */
export async function arrange(
  stand: Stand,
  sessions: readonly ChaosSession[],
  random: Random,
): Promise<Arrangement> {
  const { cluster, site, starts } = stand;
  const held = sessions.filter(({ way }) => way === 'held');
  const steps = holdInSteps(cluster, held);
  const phases = held.flatMap(toHeldPhase);
  const begun = held.filter(({ moment }) => moment === 'start').map(({ name }) => name);
  for (const name of begun) starts.hold(name);
  const submitted = held.filter(({ moment }) => moment !== 'POST');
  await Promise.all(
    submitted.map(({ name, moment }) =>
      moment === 'hold'
        ? site.submitFailing(name)
        : site.submit(name, isPhase(moment) ? moment : undefined),
    ),
  );
  await Promise.all([
    ...phases.map(({ name, phase }) => site.whenHeld(name, phase)),
    ...begun.map((name) => starts.whenStarted(name, 1)),
    ...held
      .filter(({ moment }) => moment === 'complete')
      .map(({ name }) => cluster.waitUntilComplete(name, 300_000)),
  ]);
  const failing = held.filter(({ moment }) => moment === 'hold');
  const failed = await Promise.all(
    failing.map(async ({ name }) => ({ name, since: await site.whenFailed(name) })),
  );
  // Last, because it stops what the others need to come to their moments.
  await steps?.whenHeld();
  const posted = sessions.filter(({ way, moment }) => way !== 'held' || moment === 'POST');
  return createRelease(stand, { steps, phases, begun, failed, posted }, random);
}

interface HeldInPhase {
  readonly name: string;
  readonly phase: HeldPhase;
}

function toHeldPhase({ name, moment }: ChaosSession): readonly HeldInPhase[] {
  return isPhase(moment) ? [{ name, phase: moment }] : [];
}

interface HeldInSteps {
  readonly locksDatabase: boolean;
  readonly whenHeld: () => Promise<void>;
  /** To be called once. */
  readonly letGo: () => void;
}

/**
 * Call it before the sessions are posted. Before the writes of steps it locks the database. After them it stops Temporal,
 * which then does not hear of the steps' ends. Undefined if no session is to be held in a step.
 */
function holdInSteps(cluster: Cluster, sessions: readonly ChaosSession[]): HeldInSteps | undefined {
  const steps = Object.fromEntries(sessions.flatMap(toHeldStep));
  if (Object.keys(steps).length === 0) return undefined;
  const hold = holdSteps(cluster, steps);
  if (sessions.every(({ moment }) => toDoneStep(moment) === undefined))
    return { locksDatabase: true, whenHeld: () => hold.whenHeld(), letGo: () => hold.release() };
  return {
    locksDatabase: false,
    async whenHeld() {
      await hold.whenHeld();
      cluster.temporal.freeze();
      hold.release();
      // If a write failed, the fault meets that session between two attempts, and the others as intended.
      await hold.whenWritten();
    },
    letGo: () => cluster.temporal.thaw(),
  };
}

function toHeldStep({ name, moment }: ChaosSession): readonly (readonly [string, Step])[] {
  const step = isStep(moment) ? moment : toDoneStep(moment);
  return step === undefined ? [] : [[name, step]];
}

/** Held by Keelson, since then. */
interface FailedSession {
  readonly name: string;
  readonly since: string;
}

interface Held {
  readonly steps: HeldInSteps | undefined;
  readonly phases: readonly HeldInPhase[];
  /** Names of sessions whose supervisors are held. */
  readonly begun: readonly string[];
  readonly failed: readonly FailedSession[];
  /** Sessions that are not held, but still to be posted. */
  readonly posted: readonly ChaosSession[];
}

function createRelease(
  stand: Stand,
  { steps, phases, begun, failed, posted }: Held,
  random: Random,
): Arrangement {
  const left = { steps, phases: new Set(phases), begun: [...begun], failed: new Set(failed) };
  const reruns: Promise<void>[] = [];
  let posting: Promise<unknown> | undefined;
  const letStepsGo = () => {
    posting ??= Promise.all(posted.map((session) => postStubbornly(stand, session)));
    posting.catch(() => undefined);
    left.steps?.letGo();
    left.steps = undefined;
  };
  const letPhasesGo = (some: readonly HeldInPhase[]) => {
    for (const each of some)
      if (left.phases.delete(each)) stand.site.release(each.name, each.phase);
  };
  const runAgain = (some: readonly FailedSession[]) => {
    for (const each of some)
      if (left.failed.delete(each)) reruns.push(rerunStubbornly(stand, each));
    Promise.all(reruns).catch(() => undefined);
  };
  return {
    locksDatabase: steps?.locksDatabase ?? false,
    letSomeGo() {
      letStepsGo();
      letPhasesGo(phases.filter(() => random.isHeads()));
      runAgain(failed.filter(() => random.isHeads()));
    },
    letGo() {
      letStepsGo();
      letPhasesGo(phases);
      runAgain(failed);
      for (const name of left.begun.splice(0)) stand.starts.release(name);
    },
    async whenPosted() {
      await posting;
      await Promise.all(reruns);
    },
  };
}
