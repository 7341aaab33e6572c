import { toMessage } from './message.js';
import type { Session, Wait } from './session.js';

/** A shorter delay is not shown as a wait: right after the POST every session has one. */
export const WORTH_TELLING_MS = 5000;
/** The clocks of two processes differ by less. */
const CLOCKS_DIFFER_MS = 5000;

type Waiting = Pick<
  Session,
  | 'state'
  | 'desired'
  | 'external'
  | 'createdAt'
  | 'dispatched'
  | 'claimedAt'
  | 'queuedAt'
  | 'admittedAt'
  | 'admissionDue'
  | 'waitsFor'
  | 'waiting'
>;

interface Cause {
  readonly wait: Wait;
  /** Whether a short delay is usual: before a claim, and before an admission is told. Any other wait is shown at once. */
  readonly isUsual: boolean;
}

/**
 * What a session waits for now. That nobody has begun it, or that it has no place, follows
 * from the record. It is not stored, because thousands of sessions may wait like that.
 */
export function findWait(session: Waiting, now: string): Wait | undefined {
  return untilWait(session, now) === undefined ? findCause(session)?.wait : undefined;
}

/**
 * Milliseconds until a delay counts as a wait. No event announces that moment. How long a delay lasts that began before the
 * clock was set back is not known, so it counts at once.
 */
export function untilWait(session: Waiting, now: string): number | undefined {
  const cause = findCause(session);
  if (cause?.isUsual !== true) return undefined;
  const age = toAge(cause.wait.since, now);
  return age > -CLOCKS_DIFFER_MS && age < WORTH_TELLING_MS ? WORTH_TELLING_MS - age : undefined;
}

/** The log line at the end of a wait for hosts. */
export function describeHostWaitEnd(since: string, now: string): string {
  return `Waited ${toSeconds(since, now)} for its hosts (host_locks).`;
}

/** The log lines that say, once the session goes on, what it waited for before it had a log. */
export function describeWaits(
  session: Pick<Session, 'createdAt' | 'claimedAt' | 'queuedAt' | 'admittedAt' | 'waiting'>,
  now: string,
): readonly string[] {
  const { createdAt, claimedAt = createdAt, queuedAt, admittedAt, waiting } = session;
  return [
    ...(toAge(createdAt, claimedAt) < WORTH_TELLING_MS
      ? []
      : [`Waited ${toSeconds(createdAt, claimedAt)} for Temporal, or for a worker.`]),
    ...(queuedAt === undefined || admittedAt === undefined
      ? []
      : [`Waited ${toSeconds(claimedAt, admittedAt)} for a place (max_running_sessions).`]),
    ...(waiting === undefined
      ? []
      : [`Waited ${toSeconds(waiting.since, now)}. ${waiting.message}`]),
  ];
}

/** The message of a session that waits because another one named one of its hosts before. */
export function describeHostWait({
  name,
  host,
  hosts,
  heldUntil,
}: {
  readonly name: string;
  /** One of the hosts that both name. */
  readonly host: string;
  readonly hosts: number;
  /** Set if the other session has failed and is held for somebody to look at, which may take days. */
  readonly heldUntil?: string | undefined;
}): string {
  const others = hosts === 1 ? '' : ` and ${hosts - 1} other ${hosts === 2 ? 'host' : 'hosts'}`;
  const end =
    heldUntil === undefined
      ? 'that has to end before this one starts.'
      : `it has failed and is held until ${heldUntil} (debug_on_failure). Release or cancel it, and this one starts.`;
  return toMessage(
    `Waiting: session ${name} comes first on ${host}${others} (option host_locks); ${end}`,
  );
}

const FAILING =
  'Waiting: its workflow fails whenever it continues, and is repeated. See "A workflow fails again and again" in docs/operate.md. ';

/** The message of a session whose workflow code fails, each time for the same reason. */
export function describeFailing(why: string): string {
  return toMessage(`${FAILING}${why}`);
}

export function isFailingWait({ message }: Wait): boolean {
  return message.startsWith(FAILING);
}

function findCause(session: Waiting): Cause | undefined {
  if (session.state === 'complete' || session.external) return undefined;
  const { createdAt, claimedAt, queuedAt, admittedAt, admissionDue, waitsFor, waiting } = session;
  const reported = waiting && { wait: waiting, isUsual: false };
  if (claimedAt === undefined && waiting === undefined)
    return { isUsual: true, wait: { since: createdAt, message: describeUntaken(session) } };
  // A cancelled session needs neither hosts nor a place.
  if (session.desired !== 'run') return waitsFor === undefined ? reported : undefined;
  if (waitsFor !== undefined) return reported;
  if (queuedAt !== undefined && admittedAt === undefined)
    return {
      isUsual: false,
      wait: {
        // With its claim it joined the queue, which keeps a later time if the clock was set back while others waited.
        since: claimedAt ?? queuedAt,
        message:
          'Waiting: as many sessions run as the option max_running_sessions allows; it starts when one of them has ended.',
      },
    };
  if (admissionDue && admittedAt !== undefined)
    return {
      isUsual: true,
      wait: {
        since: admittedAt,
        message:
          'Waiting: it may start, and Temporal has not been told yet. See temporal_status in /healthz.',
      },
    };
  return reported;
}

/** A cancelled session is unclaimed only if its record was restored. */
function describeUntaken({ desired, dispatched }: Waiting): string {
  const next = desired === 'run' ? 'starts' : 'ends';
  return dispatched === 'none'
    ? `Waiting: Temporal has not taken it yet; it ${next} once Temporal has. See temporal_status in /healthz, and the log of the API.`
    : `Waiting: Temporal has it, and no worker has taken it yet; it ${next} once one has. See whether a worker runs.`;
}

function toSeconds(from: string, to: string): string {
  return `${Math.round(Math.max(toAge(from, to), 0) / 1000)} s`;
}

function toAge(since: string, now: string): number {
  return Date.parse(now) - Date.parse(since);
}
