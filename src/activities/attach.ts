import type { Session } from '../core/session.js';
import type { ActivityDependencies } from './dependencies.js';

/**
 * Records the job of a session whose restored record is older than the launch, so that no
 * second job is launched beside it. Usually changes nothing. Returns the session as it then is.
 */
export async function attachRecord(
  { store, runner, now, machine, logger }: ActivityDependencies,
  session: Session,
  signal: AbortSignal,
): Promise<Session> {
  const { jobId, name } = session;
  if (session.launchedAt !== undefined || session.state === 'complete') return session;
  const job = await runner.find(jobId, signal);
  // A job that was only prepared was never launched.
  if (job === undefined || job.state === 'prepared') return session;
  logger.info({ session: name, jobId, state: job.state }, 'job taken over that the record lacks');
  return store.sessions.recordAttach(jobId, {
    at: now(),
    incarnation: job.incarnation,
    ...(machine === undefined ? {} : { machine }),
  });
}
