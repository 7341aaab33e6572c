import { PHASES } from '../support/kill-site.js';
import { findAttempts, STEPS } from '../support/kill-steps.js';
import { waitFor } from '../support/wait.js';
import { stayAway, type Fault } from './fault.js';
import { DONE_STEPS, isPhase, type Moment } from './moments.js';
import { openDatabase, type Stand } from './stand.js';

const MOST_MS = 180_000;
const HELD: readonly Moment[] = ['POST', ...STEPS, 'start', ...PHASES, 'hold'];

type Part = 'api' | 'worker' | 'temporal';

/** Kills these parts, and starts them again after a random time within `away`, in seconds. */
function die(
  name: string,
  signal: 'SIGKILL' | 'SIGTERM',
  parts: readonly Part[],
  away: readonly [number, number],
): Fault {
  const isSudden = signal === 'SIGKILL' && parts.some((part) => part !== 'api');
  const [least, most] = away;
  return {
    name,
    what: `${signal} of ${parts.join(', ')}; back after ${least} to ${most} s`,
    stand: 'sqlite',
    moments: isSudden ? [...HELD, ...DONE_STEPS] : HELD,
    promised: 'untouched',
    async strike({ stand: { cluster, starts }, sessions, random, letSomeGo }) {
      await Promise.all(parts.map((part) => cluster[part].kill(signal)));
      letSomeGo();
      await stayAway(1000 * random.between(least, most));
      if (parts.includes('temporal')) await cluster.temporal.start();
      const others = parts.filter((part) => part !== 'temporal');
      await Promise.all(others.map((part) => cluster[part].start()));
      if (!parts.includes('worker')) return undefined;
      // A repeated launch starts a second supervisor beside the first, which is held.
      const begun = sessions.filter(({ moment }) => moment === 'start');
      await Promise.all(begun.map((session) => starts.whenStarted(session.name, 2)));
      return undefined;
    },
  };
}

/** The old attempt wakes up while the new one works, so both see the phase end. */
const freezeWorker: Fault = {
  name: 'worker-frozen',
  what: 'SIGSTOP of the worker until another has taken over, then SIGCONT',
  stand: 'sqlite',
  moments: [...STEPS, ...PHASES, 'hold'],
  promised: 'untouched',
  async strike({ stand, sessions, locksDatabase, letSomeGo, letGo }) {
    const { cluster, secondWorker } = stand;
    const inPhases = sessions
      .filter(({ moment }) => isPhase(moment) || moment === 'hold')
      .map(({ name }) => name);
    await freeze(stand, locksDatabase);
    if (inPhases.length === 0) letSomeGo();
    await secondWorker.start();
    await waitFor(
      async () => {
        const attempts = await findAttempts(cluster, inPhases);
        return attempts.every(({ attempt, isStarted }) => attempt > 1 && isStarted);
      },
      { timeoutMs: MOST_MS, intervalMs: 500, what: 'the other worker to take over' },
    );
    cluster.worker.thaw();
    letGo();
    return () => secondWorker.kill('SIGTERM');
  },
};

/** Another worker brings the session to its end, undo included, before the worker that was about to launch wakes up. */
function wakeLate(name: string, isCancelled: boolean): Fault {
  return {
    name,
    what: `launchJob held up until the session ${isCancelled ? 'was cancelled and ' : ''}is over`,
    stand: 'sqlite',
    moments: ['launchJob'],
    promised: isCancelled ? 'cancelled' : 'untouched',
    async strike({ stand, sessions, letGo, whenOver, random }) {
      const { cluster, site, secondWorker } = stand;
      await freeze(stand, true);
      letGo();
      if (isCancelled)
        for (const session of sessions)
          await cluster.ask('POST', `/v3/sessions/${session.name}/cancel`, { reason: 'chaos' });
      await secondWorker.start();
      await whenOver();
      await secondWorker.kill('SIGTERM');
      cluster.worker.thaw();
      // Once it has run another session to its end, it has certainly done what it was about to do.
      const probe = `probe-${random.between(1, 2 ** 31)}`;
      await site.submit(probe);
      await cluster.waitUntilComplete(probe, MOST_MS);
      return undefined;
    },
  };
}

/** Takes the database's lock first: a worker that is frozen in the middle of a write would block all other writers. */
function freeze({ cluster }: Stand, isLocked: boolean): Promise<void> {
  const database = isLocked ? undefined : openDatabase(cluster, MOST_MS);
  database?.exec('BEGIN IMMEDIATE');
  cluster.worker.freeze();
  database?.exec('COMMIT');
  database?.close();
  return Promise.resolve();
}

export const processFaults: readonly Fault[] = [
  die('worker-kill', 'SIGKILL', ['worker'], [0, 3]),
  die('worker-term', 'SIGTERM', ['worker'], [0, 3]),
  die('api-kill', 'SIGKILL', ['api'], [0, 5]),
  die('api-term', 'SIGTERM', ['api'], [0, 5]),
  die('temporal-kill', 'SIGKILL', ['temporal'], [1, 40]),
  die('temporal-term', 'SIGTERM', ['temporal'], [1, 40]),
  die('all-kill', 'SIGKILL', ['worker', 'api', 'temporal'], [0, 10]),
  freezeWorker,
  wakeLate('launch-late', false),
  wakeLate('launch-late-cancel', true),
];
