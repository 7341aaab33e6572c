import { ServiceError } from '../../core/errors.js';
import type { Session } from '../../core/session.js';
import type { Connection, Database } from '../database/database.js';
import { lockSession } from './session-lock.js';
import { toSession } from './session-rows.js';

/** From now on, a playbook of the session that fails is held: the job asks the API when one has failed. */
export function requestHold(database: Database, name: string): Promise<Session> {
  return database.write(async (db, emit) => {
    const session = toSession(await lockSession(database, db, name));
    const obstacle = findObstacle(session);
    if (obstacle !== undefined)
      throw new ServiceError('conflict', `Session ${name} ${obstacle}.`, {
        title: 'Session cannot be held',
      });
    if (session.request.debugOnFailure) return session;
    const changed = await noteWanted(db, session);
    emit({ kind: 'session', jobId: session.jobId });
    return changed;
  });
}

/** Notes on the record that playbooks which fail are to be held. */
export async function noteWanted(db: Connection, { jobId, request }: Session): Promise<Session> {
  const row = await db
    .updateTable('sessions')
    .set({ request: JSON.stringify({ ...request, debugOnFailure: true }) })
    .where('job_id', '=', jobId)
    .returningAll()
    .executeTakeFirstOrThrow();
  return toSession(row);
}

/** Why no playbook of the session can be held any more; undefined if one can. */
function findObstacle(session: Session): string | undefined {
  if (session.state === 'complete') return 'is complete';
  if (session.desired !== 'run') return 'is cancelled';
  if (session.teardownAt !== undefined) return 'has run its playbooks, and is finishing its images';
  if (session.external) return 'is run by an external operator, who alone could hold it';
  // The option as it was when the session started is what counts.
  if (session.snapshot?.options.debugWaitTime === 0)
    return 'holds nothing: the option debug_wait_time was 0 when it started';
  return undefined;
}
