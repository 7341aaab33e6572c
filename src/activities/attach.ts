import type { Session } from '../core/session.js';
import type { ActivityDependencies } from './dependencies.js';

/**
 * Brings a record up to its job, where a restored database is older than the launch: what runs or ran is recorded, so that
 * nothing is launched beside it. Changes nothing in the usual case. The session as it then is.
 */
export async function attachRecord(
  { store, runner, now, machine, logger }: ActivityDependencies,
  session: Session,
  signal: AbortSignal,
): Promise<Session> {
  const { jobId, name } = session;
  if (session.launchedAt !== undefined || session.state === 'complete') return session;
  const job = await runner.find(jobId, signal);
  // One that was never let run is not recorded as launched anywhere.
  if (job === undefined || job.state === 'prepared') return session;
  logger.info({ session: name, jobId, state: job.state }, 'job taken over that the record lacks');
  return store.sessions.recordAttach(jobId, {
    at: now(),
    incarnation: job.incarnation,
    ...(machine === undefined ? {} : { machine }),
  });
}
