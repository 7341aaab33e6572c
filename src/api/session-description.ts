import type { Session } from '../core/session.js';
import type { ApiDependencies } from './dependencies.js';
import { toSessionWire } from './wire/session.js';

type Dependencies = Pick<ApiDependencies, 'store' | 'now'>;

/** Sessions as clients see them, with what is held; that is asked for once, and only where it can be. */
export async function describeSessions(
  { store, now }: Dependencies,
  sessions: readonly Session[],
): Promise<readonly ReturnType<typeof toSessionWire>[]> {
  const holding = sessions.filter(mayHold);
  const holds = await store.phases.holds(
    holding.map(({ jobId }) => jobId),
    now(),
  );
  return sessions.map((session) => toSessionWire(session, holds.get(session.jobId)));
}

export async function describeSession(
  { store, now }: Dependencies,
  session: Session,
): Promise<ReturnType<typeof toSessionWire>> {
  const holds = mayHold(session) ? await store.phases.holds([session.jobId], now()) : undefined;
  return toSessionWire(session, holds?.get(session.jobId));
}

function mayHold({ state, request }: Session): boolean {
  return state === 'running' && request.debugOnFailure;
}
