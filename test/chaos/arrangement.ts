import type { HeldPhase } from '../support/kill-site.js';
import { holdSteps, type Step } from '../support/kill-steps.js';
import { isPhase, isStep, toDoneStep, type Moment } from './moments.js';
import { postStubbornly } from './post.js';
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
  /** Releases the steps and posts what is to be posted during the fault, and releases a random part of the phases. */
  readonly letSomeGo: () => Promise<void>;
  /** Releases everything that is still held. */
  readonly letGo: () => Promise<void>;
  /** Resolves when the API has accepted every session. */
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
  const steps = Object.fromEntries(held.flatMap(toHeldStep));
  const phases = held.flatMap(toHeldPhase);
  const begun = held.filter(({ moment }) => moment === 'start').map(({ name }) => name);
  const posted = sessions.filter(({ way, moment }) => way !== 'held' || moment === 'POST');
  const isDone = held.some(({ moment }) => toDoneStep(moment) !== undefined);
  const locksDatabase = Object.keys(steps).length > 0 && !isDone;
  const hold = Object.keys(steps).length > 0 ? holdSteps(cluster, steps) : undefined;
  for (const name of begun) starts.hold(name);
  const submitted = held.filter(({ moment }) => moment !== 'POST');
  await Promise.all(
    submitted.map(({ name, moment }) => site.submit(name, isPhase(moment) ? moment : undefined)),
  );
  await Promise.all([
    ...phases.map(({ name, phase }) => site.whenHeld(name, phase)),
    ...begun.map((name) => starts.whenStarted(name, 1)),
    ...held
      .filter(({ moment }) => moment === 'complete')
      .map(({ name }) => cluster.waitUntilComplete(name, 300_000)),
  ]);
  await hold?.whenHeld();
  if (isDone) {
    cluster.temporal.freeze();
    hold?.release();
    // If a write failed, the fault meets that session between two attempts, and the others as intended.
    await hold?.whenWritten();
  }
  const waiting = new Set(phases);
  const go = (which: typeof phases) => {
    for (const each of which) {
      if (waiting.delete(each)) site.release(each.name, each.phase);
    }
  };
  let posting: Promise<unknown> | undefined;
  let hasGone = false;
  const letStepsGo = () => {
    posting ??= Promise.all(posted.map((session) => postStubbornly(stand, session)));
    posting.catch(() => undefined);
    if (hasGone) return;
    hasGone = true;
    if (locksDatabase) hold?.release();
    if (isDone) cluster.temporal.thaw();
  };
  return {
    locksDatabase,
    letSomeGo() {
      letStepsGo();
      go(phases.filter(() => random.isHeads()));
      return Promise.resolve();
    },
    letGo() {
      letStepsGo();
      go(phases);
      for (const name of begun.splice(0)) starts.release(name);
      return Promise.resolve();
    },
    async whenPosted() {
      await posting;
    },
  };
}

function toHeldStep({ name, moment }: ChaosSession): readonly (readonly [string, Step])[] {
  const step = isStep(moment) ? moment : toDoneStep(moment);
  return step === undefined ? [] : [[name, step]];
}

interface HeldInPhase {
  readonly name: string;
  readonly phase: HeldPhase;
}

function toHeldPhase({ name, moment }: ChaosSession): readonly HeldInPhase[] {
  return isPhase(moment) ? [{ name, phase: moment }] : [];
}
