import { missing, ServiceError } from '../core/errors.js';
import type { Session } from '../core/session.js';
import type { PhaseRecord, Store } from '../store/store.js';

export async function findSession(store: Store, name: string): Promise<Session> {
  const session = await store.sessions.find(name);
  if (session === undefined) throw missing('Session', name);
  return session;
}

/** If the phase does not exist, the fault lists those that do. */
export async function findPhase(store: Store, jobId: string, name: string): Promise<PhaseRecord> {
  const phase = await store.phases.find(jobId, name);
  if (phase !== undefined) return phase;
  const names = (await store.phases.list(jobId)).map((known) => known.name);
  throw new ServiceError(
    'missing',
    names.length === 0
      ? `Phase ${name} could not be found: the session has no phases yet - 'phase'`
      : `Phase ${name} could not be found; the session has ${names.join(', ')} - 'phase'`,
    { title: 'Phase not found.' },
  );
}
