import { existsSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import type { Cluster } from '../support/cluster.js';
import { readVerdict, untouched, type Verdict } from '../support/kill-verdict.js';
import { watchStates, type StateWatch } from '../support/kill-watch.js';
import { waitFor } from '../support/wait.js';
import { arrange, type ChaosSession } from './arrangement.js';
import type { Fault, Promised } from './fault.js';
import type { Moment } from './moments.js';
import { createRandom } from './random.js';
import type { Stand } from './stand.js';
import { listData } from './strays.js';

const MOST_MS = 300_000;
/** How long processes and the workflow's last task may take to end by themselves. */
const SETTLE_MS = 60_000;
/** Webhooks may come late: if a process died, only the sweep, which runs each minute, lets them be called. */
const TOLD_MS = 180_000;

/** The result of one session. */
export interface Cell {
  readonly fault: string;
  readonly moment: Moment;
  readonly promised: Promised;
  /** What differed from the promise. */
  readonly wrong: readonly string[];
  /** Whether it is only late, and not so late that a slow machine cannot be the cause. */
  readonly isLate: boolean;
  /** From the end of its job or of the fault, whichever is later (lost job: from its death), until a reader saw it complete. */
  readonly seconds: number;
}

/** How soon sessions must be complete, in seconds, as docs/durability.md promises. */
const LIMITS: Readonly<Record<Promised, number>> = {
  ...{ untouched: 30, unreachable: 30, failed: 30, cancelled: 30 },
  lost: 10,
};
/** No test machine is so slow. */
const MOST_LATE_SECONDS = 180;

/** Causes one fault, with a session at each of the moments. */
export async function runRound(
  stand: Stand,
  fault: Fault,
  moments: readonly Moment[],
  seed: number,
): Promise<readonly Cell[]> {
  const random = createRandom(seed);
  const sessions = moments.map((moment) => toSession(fault, moment, random.between(1, 2 ** 31)));
  const files = listData(stand.cluster);
  const watches = new Map(sessions.map(({ name }) => [name, watchStates(stand.cluster, name)]));
  try {
    const times = await strike(stand, fault, sessions, random);
    return await Promise.all(
      sessions.map((session) => judge(stand, fault, session, { watches, times, files })),
    );
  } finally {
    // A round that failed half-way must not block the next ones.
    stand.cluster.temporal.thaw();
    for (const watch of watches.values()) await watch.close();
  }
}

function toSession(fault: Fault, moment: Moment, id: number): ChaosSession {
  const slug = moment.toLowerCase().replace(' ', '-');
  return { name: `${slug}-${id.toString(36)}`, moment, way: fault.way?.(moment) ?? 'held' };
}

interface Times {
  readonly struckAt: number;
  readonly recoveredAt: number;
}

async function strike(
  stand: Stand,
  fault: Fault,
  sessions: readonly ChaosSession[],
  random: ReturnType<typeof createRandom>,
): Promise<Times> {
  const arrangement = await arrange(stand, sessions, random);
  const whenOver = async () => {
    await arrangement.whenPosted();
    await Promise.all(sessions.map(({ name }) => stand.cluster.waitUntilComplete(name, MOST_MS)));
  };
  const struckAt = Date.now();
  const after = await fault.strike({ ...arrangement, stand, sessions, random, whenOver });
  if (fault.holdsOn !== true) arrangement.letGo();
  const recoveredAt = Date.now();
  await whenOver();
  arrangement.letGo();
  await after?.();
  return { struckAt, recoveredAt };
}

interface Seen {
  readonly watches: ReadonlyMap<string, StateWatch>;
  readonly times: Times;
  /** What was in the data directory before the round. */
  readonly files: readonly string[];
}

async function judge(
  { cluster, site, receiver }: Stand,
  { name: fault, ...promises }: Fault,
  { name, moment }: ChaosSession,
  { watches, times: { struckAt, recoveredAt }, files }: Seen,
): Promise<Cell> {
  const promised = toPromised(promises, moment);
  const directory = site.jobDirectory(name) ?? '';
  const wrong = await findWrong(
    promised,
    () => readVerdict(cluster, site, name),
    untouched(cluster),
  );
  const strays = () => listData(cluster).filter((file) => !files.includes(file));
  await waitFor(() => strays().length === 0, { timeoutMs: SETTLE_MS }).catch(() =>
    wrong.push(`left in the data directory: ${strays().join(', ')}`),
  );
  const { succeeded } = (await cluster.find(name)).status.session;
  const isTold = () =>
    receiver.of(name).some(({ body: { session } }) => session['succeeded'] === succeeded);
  await waitFor(isTold, { timeoutMs: TOLD_MS }).catch(() =>
    wrong.push(`no webhook was told: ${JSON.stringify(receiver.of(name))}`),
  );
  const watch = watches.get(name);
  const completeAt = await waitFor(() => watch?.completeAt(), { what: 'a reader to see the end' });
  const back = watch?.regress();
  if (back !== undefined) wrong.push(`what was shown went back: ${back}`);
  const ended = join(directory, 'ended');
  const endedAt = existsSync(ended) ? statSync(ended).mtimeMs : 0;
  const since = promised === 'lost' ? struckAt : Math.max(recoveredAt, endedAt);
  const seconds = Math.max(0, (completeAt - since) / 1000);
  const isLate = seconds > LIMITS[promised] && seconds <= MOST_LATE_SECONDS && wrong.length === 0;
  if (seconds > LIMITS[promised]) {
    const tries = await describeTries(cluster, name);
    wrong.push(`complete was seen after ${seconds.toFixed(1)} s; ${tries}`);
  }
  return { fault, moment, promised, wrong, isLate, seconds };
}

export function toPromised(
  { promised, promisedInHold = promised }: Pick<Fault, 'promised' | 'promisedInHold'>,
  moment: Moment,
): Promised {
  return moment === 'hold' ? promisedInHold : promised;
}

/** Lists the activities that were retried, when their last attempt began, and why. */
async function describeTries(cluster: Cluster, name: string): Promise<string> {
  const { job } = (await cluster.find(name)).status.session;
  const client = await cluster.temporalClient();
  const { events } = await client.workflow.getHandle(job ?? '').fetchHistory();
  const tries = (events ?? []).flatMap(
    ({ eventTime, activityTaskStartedEventAttributes: tried }) =>
      (tried?.attempt ?? 0) > 1
        ? [
            `attempt ${tried?.attempt} at ${new Date(Number(eventTime?.seconds) * 1000).toISOString()} (${tried?.lastFailure?.message})`,
          ]
        : [],
  );
  return tries.join(', ');
}

async function findWrong(
  promised: Promised,
  read: () => Promise<Verdict>,
  ideal: Verdict,
): Promise<string[]> {
  let differences: string[] = ['no verdict'];
  const isRight = async () => {
    const verdict = await read();
    differences = compare(promised, verdict, ideal);
    return differences.length === 0;
  };
  await waitFor(isRight, { timeoutMs: SETTLE_MS, intervalMs: 500 }).catch((error: unknown) => {
    if (differences[0] === 'no verdict') differences.push(String((error as Error).cause));
  });
  return differences;
}

function compare(promised: Promised, verdict: Verdict, ideal: Verdict): string[] {
  const expected: Partial<Record<keyof Verdict, unknown>> = { logs: ideal.logs, left: [] };
  if (promised === 'untouched') Object.assign(expected, ideal);
  else Object.assign(expected, ENDS[promised]);
  const differences = Object.entries(expected).flatMap(([member, right]) => {
    const is = verdict[member as keyof Verdict];
    return isDeepStrictEqual(is, right)
      ? []
      : [`${member}: ${JSON.stringify(is)} instead of ${JSON.stringify(right)}`];
  });
  const [reason] = verdict.why;
  const { runs } = verdict;
  if (promised !== 'untouched' && reason !== REASONS[promised])
    differences.push(`reason: ${reason} instead of ${REASONS[promised]}`);
  if (new Set(runs).size !== runs.length) differences.push(`ran twice: ${runs.join(', ')}`);
  return differences;
}

const ENDS = {
  lost: { succeeded: 'unknown' },
  failed: { succeeded: 'false' },
  unreachable: { succeeded: 'false' },
  cancelled: { succeeded: 'false', runs: [] },
} as const;

const REASONS = {
  lost: 'JOB_LOST',
  failed: 'TASK_FAILED',
  unreachable: 'HOST_UNREACHABLE',
  cancelled: 'CANCELLED',
} as const;
