import { omitUndefined } from '../core/omit-undefined.js';
import type { Options } from '../core/options.js';
import { findWait } from '../core/waiting.js';
import type { Session } from '../core/session.js';
import type { AdmissionStore, ListedSession } from '../store/store.js';
import type { ApiDependencies } from './dependencies.js';
import { createLogLinks } from './log-links.js';
import { toSessionWire } from './wire/session.js';

type Dependencies = Pick<ApiDependencies, 'store' | 'now' | 'publicUrl'>;

type SessionWire = ReturnType<typeof toSessionWire>;

type Places = ReadonlyMap<string, number>;
type FindPlaces = (jobIds: readonly string[]) => Promise<Places>;

/** Returns a function that renders sessions of one list, part by part. To be called for each piece of the list. */
export function createDescriber(
  deps: Dependencies,
  requestUrl: string,
  options: Options,
): (sessions: readonly ListedSession[]) => AsyncGenerator<readonly SessionWire[]> {
  const findPlaces = createPlaceFinder(deps.store.admission);
  return async function* (sessions) {
    const describe = await readSurroundings(deps, requestUrl, sessions, options, findPlaces);
    for await (const some of deps.store.sessions.readRequests(sessions)) yield some.map(describe);
  };
}

/** A place follows from the whole queue, so after the first piece of a list the queue is read once for all others. */
function createPlaceFinder(admission: AdmissionStore): FindPlaces {
  let isFirst = true;
  let all: Promise<Places> | undefined;
  return (jobIds) => {
    if (!isFirst) return (all ??= admission.allPlaces());
    isFirst = false;
    return admission.places(jobIds);
  };
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
  findPlaces: FindPlaces = (jobIds) => deps.store.admission.places(jobIds),
): Promise<(session: Session) => SessionWire> {
  const now = deps.now();
  const [shown, holds, silences, places] = await Promise.all([
    options ?? deps.store.options.get(),
    findHolds(deps, sessions),
    findSilences(deps, sessions),
    readPlaces(sessions, findPlaces),
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

async function readPlaces(sessions: readonly ListedSession[], findPlaces: FindPlaces) {
  const jobIds = sessions.filter(isQueued).map(({ jobId }) => jobId);
  return jobIds.length === 0 ? undefined : findPlaces(jobIds);
}

function isQueued({ state, queuedAt, admittedAt }: ListedSession): boolean {
  return state === 'pending' && queuedAt !== undefined && admittedAt === undefined;
}

function mayHold({ state, request }: ListedSession): boolean {
  return state === 'running' && (request?.debugOnFailure ?? true);
}
