import { findWait } from '../core/waiting.js';
import type { Session } from '../core/session.js';
import type { ApiDependencies } from './dependencies.js';
import { readLogLinks } from './log-links.js';
import { toSessionWire } from './wire/session.js';

type Dependencies = Pick<ApiDependencies, 'store' | 'now' | 'publicUrl'>;

/**
 * Sessions as clients see them, with a link to the log of each, what is held, and the place in the queue; each is asked for
 * once, and only where it can be.
 */
export async function describeSessions(
  deps: Dependencies,
  requestUrl: string,
  sessions: readonly Session[],
): Promise<readonly ReturnType<typeof toSessionWire>[]> {
  const now = deps.now();
  const [toLogs, holds, places] = await Promise.all([
    readLogLinks(deps, requestUrl),
    findHolds(deps, sessions),
    findPlaces(deps, sessions),
  ]);
  return sessions.map((session) => {
    const hold = holds?.get(session.jobId);
    const place = places?.get(session.jobId);
    const wait = findWait(session, now);
    return toSessionWire(session, {
      logs: toLogs(session.name),
      ...(hold === undefined ? {} : { hold }),
      ...(place === undefined ? {} : { place }),
      ...(wait === undefined ? {} : { wait }),
    });
  });
}

export async function describeSession(
  deps: Dependencies,
  requestUrl: string,
  session: Session,
): Promise<ReturnType<typeof toSessionWire>> {
  const [described = toSessionWire(session)] = await describeSessions(deps, requestUrl, [session]);
  return described;
}

async function findHolds({ store, now }: Dependencies, sessions: readonly Session[]) {
  const jobIds = sessions.filter(mayHold).map(({ jobId }) => jobId);
  return jobIds.length === 0 ? undefined : store.phases.holds(jobIds, now());
}

async function findPlaces({ store }: Dependencies, sessions: readonly Session[]) {
  return sessions.some(isQueued) ? store.admission.places() : undefined;
}

function isQueued({ state, queuedAt, admittedAt }: Session): boolean {
  return state === 'pending' && queuedAt !== undefined && admittedAt === undefined;
}

function mayHold({ state, request }: Session): boolean {
  return state === 'running' && request.debugOnFailure;
}
