import { omitUndefined } from '../core/omit-undefined.js';
import type { Options } from '../core/options.js';
import { findWait } from '../core/waiting.js';
import type { Session } from '../core/session.js';
import type { ListedSession } from '../store/store.js';
import type { ApiDependencies } from './dependencies.js';
import { createLogLinks } from './log-links.js';
import { toSessionWire } from './wire/session.js';

type Dependencies = Pick<ApiDependencies, 'store' | 'now' | 'publicUrl'>;

type SessionWire = ReturnType<typeof toSessionWire>;

/** Renders the sessions of a list, part by part. */
export async function* describeSessions(
  deps: Dependencies,
  requestUrl: string,
  sessions: readonly ListedSession[],
  options: Options,
): AsyncGenerator<readonly SessionWire[]> {
  const describe = await readSurroundings(deps, requestUrl, sessions, options);
  for await (const some of deps.store.sessions.readRequests(sessions)) yield some.map(describe);
}

export async function describeSession(
  deps: Dependencies,
  requestUrl: string,
  session: Session,
  /** If the request has already read them. */
  options?: Options,
): Promise<SessionWire> {
  return (await readSurroundings(deps, requestUrl, [session], options))(session);
}

/**
 * Returns a function that renders one of these sessions for clients, with links to its log, its hold, silent hosts and place
 * in the queue. Each of these is read at most once for all sessions, and only if one of them may have it.
 */
async function readSurroundings(
  deps: Dependencies,
  requestUrl: string,
  sessions: readonly ListedSession[],
  options?: Options,
): Promise<(session: Session) => SessionWire> {
  const now = deps.now();
  const [shown, holds, silences, places] = await Promise.all([
    options ?? deps.store.options.get(),
    findHolds(deps, sessions),
    findSilences(deps, sessions),
    findPlaces(deps, sessions),
  ]);
  const toLogs = createLogLinks(deps, requestUrl, shown);
  return (session) => {
    const { name, jobId } = session;
    const surroundings = omitUndefined({
      logs: toLogs(name),
      hold: holds?.get(jobId),
      silence: silences?.get(jobId),
      place: places?.get(jobId),
      wait: findWait(session, now),
    });
    return toSessionWire(session, surroundings);
  };
}

async function findHolds({ store, now }: Dependencies, sessions: readonly ListedSession[]) {
  const jobIds = sessions.filter(mayHold).map(({ jobId }) => jobId);
  return jobIds.length === 0 ? undefined : store.phases.holds(jobIds, now());
}

async function findSilences({ store }: Dependencies, sessions: readonly ListedSession[]) {
  const jobIds = sessions.filter(({ state }) => state === 'running').map(({ jobId }) => jobId);
  return jobIds.length === 0 ? undefined : store.phases.silences(jobIds);
}

async function findPlaces({ store }: Dependencies, sessions: readonly ListedSession[]) {
  const jobIds = sessions.filter(isQueued).map(({ jobId }) => jobId);
  return jobIds.length === 0 ? undefined : store.admission.places(jobIds);
}

function isQueued({ state, queuedAt, admittedAt }: ListedSession): boolean {
  return state === 'pending' && queuedAt !== undefined && admittedAt === undefined;
}

function mayHold({ state, request }: ListedSession): boolean {
  return state === 'running' && (request?.debugOnFailure ?? true);
}
