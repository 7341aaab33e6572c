import { omitUndefined } from '../core/omit-undefined.js';
import type { Options } from '../core/options.js';
import { findWait } from '../core/waiting.js';
import type { Session } from '../core/session.js';
import type { ApiDependencies } from './dependencies.js';
import { createLogLinks } from './log-links.js';
import { toSessionWire } from './wire/session.js';

type Dependencies = Pick<ApiDependencies, 'store' | 'now' | 'publicUrl'>;

/**
 * Renders sessions for clients, with links to their logs, holds, silent hosts and places in the queue. Each of these is read
 * at most once for all sessions, and only if one of them may have it.
 */
export async function describeSessions(
  deps: Dependencies,
  requestUrl: string,
  sessions: readonly Session[],
  /** If the request has already read them. */
  options?: Options,
): Promise<readonly ReturnType<typeof toSessionWire>[]> {
  const now = deps.now();
  const [shown, holds, silences, places] = await Promise.all([
    options ?? deps.store.options.get(),
    findHolds(deps, sessions),
    findSilences(deps, sessions),
    findPlaces(deps, sessions),
  ]);
  const toLogs = createLogLinks(deps, requestUrl, shown);
  return sessions.map((session) => {
    const { name, jobId } = session;
    const surroundings = omitUndefined({
      logs: toLogs(name),
      hold: holds?.get(jobId),
      silence: silences?.get(jobId),
      place: places?.get(jobId),
      wait: findWait(session, now),
    });
    return toSessionWire(session, surroundings);
  });
}

export async function describeSession(
  deps: Dependencies,
  requestUrl: string,
  session: Session,
  options?: Options,
): Promise<ReturnType<typeof toSessionWire>> {
  const [described] = await describeSessions(deps, requestUrl, [session], options);
  return described ?? toSessionWire(session);
}

async function findHolds({ store, now }: Dependencies, sessions: readonly Session[]) {
  const jobIds = sessions.filter(mayHold).map(({ jobId }) => jobId);
  return jobIds.length === 0 ? undefined : store.phases.holds(jobIds, now());
}

async function findSilences({ store }: Dependencies, sessions: readonly Session[]) {
  const jobIds = sessions.filter(({ state }) => state === 'running').map(({ jobId }) => jobId);
  return jobIds.length === 0 ? undefined : store.phases.silences(jobIds);
}

async function findPlaces({ store }: Dependencies, sessions: readonly Session[]) {
  const jobIds = sessions.filter(isQueued).map(({ jobId }) => jobId);
  return jobIds.length === 0 ? undefined : store.admission.places(jobIds);
}

function isQueued({ state, queuedAt, admittedAt }: Session): boolean {
  return state === 'pending' && queuedAt !== undefined && admittedAt === undefined;
}

function mayHold({ state, request }: Session): boolean {
  return state === 'running' && request.debugOnFailure;
}
