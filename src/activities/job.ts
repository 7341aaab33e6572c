import { gzipSync } from 'node:zlib';
import { isServiceError, ServiceError, setBack } from '../core/errors.js';
import { planJob } from '../core/plan.js';
import type { Session } from '../core/session.js';
import type { StagedFiles } from '../runner/runner.js';
import type { Store } from '../store/store.js';
import { attachRecord } from './attach.js';
import { collectCloneSecrets } from './clone-secrets.js';
import { getSession, requireSnapshot, type ActivityDependencies } from './dependencies.js';
import { withHeartbeat } from './heartbeat.js';
import { requireImages } from './image-work.js';
import { INVENTORY_FILE } from './inventory.js';
import { readVaultToken } from './vault-token.js';
import type { Activities } from './interface.js';
import { openWaits, withWaits } from './waits.js';

export function createJobActivities(
  dependencies: ActivityDependencies,
): Pick<Activities, 'launchJob' | 'stopJob'> {
  const { store, runner, now } = dependencies;
  return {
    launchJob: ({ jobId }) => withHeartbeat((signal) => launchJob(dependencies, jobId, signal)),
    stopJob: ({ jobId }) =>
      withHeartbeat(async (signal) => {
        const session = await store.sessions.get(jobId);
        // A job without a record is not stopped: it runs to its end, and its machine then removes it.
        if (session === undefined) return;
        await attachRecord(dependencies, session, signal);
        await store.sessions.recordStop(jobId, now());
        await runner.stop(jobId, signal);
      }),
  };
}

async function launchJob(
  dependencies: ActivityDependencies,
  jobId: string,
  signal: AbortSignal,
): Promise<{ launched: boolean }> {
  const recorded = await getSession(dependencies.store, jobId);
  return withWaits(openWaits(dependencies, recorded), async () => {
    const session = await attachRecord(dependencies, recorded, signal);
    try {
      return await launchOnce(dependencies, session, signal);
    } catch (error) {
      if (isServiceError(error) && error.isSetBack)
        await discardPrepared(dependencies, jobId, signal);
      throw error;
    }
  });
}

/** A job that was prepared from what the database has lost would be taken for the one that is prepared next. */
async function discardPrepared(
  { runner }: ActivityDependencies,
  jobId: string,
  signal: AbortSignal,
): Promise<void> {
  const job = await runner.find(jobId, signal);
  if (job?.state === 'prepared') await runner.discard(jobId, job.incarnation, signal);
}

async function launchOnce(
  dependencies: ActivityDependencies,
  session: Session,
  signal: AbortSignal,
): Promise<{ launched: boolean }> {
  const { store, runner, now, machine } = dependencies;
  const { jobId } = session;
  if (session.launchedAt !== undefined) return releaseRecorded(dependencies, session, signal);
  if (!isWanted(session) || session.stoppedAt !== undefined || session.attachOnly)
    return { launched: false };
  refuseWaiting(session);
  requirePlace(session);
  const incarnation = await prepareJob(dependencies, session, signal);
  const { won, session: current } = await store.sessions.recordLaunch(jobId, {
    at: now(),
    incarnation,
    ...(machine === undefined ? {} : { machine }),
  });
  if (!won && current.incarnation !== incarnation) {
    await runner.discard(jobId, incarnation, signal);
  }
  if (current.launchedAt !== undefined) return releaseRecorded(dependencies, current, signal);
  if (isWanted(current)) refuseWaiting(current);
  return { launched: false };
}

/** A Temporal that was set back may repeat the launch of a session that is complete by now. */
function isWanted({ state, desired }: Session): boolean {
  return state !== 'complete' && desired === 'run';
}

/**
 * Refuses the launch while the session waits for hosts. It may do so even now: a late attempt that
 * Temporal had given up, perhaps of an earlier run of the workflow, may have asked for other hosts.
 */
function refuseWaiting({ name, waitsFor }: Session): void {
  if (waitsFor !== undefined)
    throw new ServiceError('busy', `Another session has hosts of session ${name} (host_locks).`);
}

/** The claim, or the request for hosts, has recorded it. */
function requirePlace({ jobId, claimedAt, admittedAt }: Session): void {
  if (claimedAt === undefined || admittedAt === undefined) throw setBack(jobId, 'the place');
}

async function prepareJob(
  dependencies: ActivityDependencies,
  session: Session,
  signal: AbortSignal,
): Promise<string> {
  const { store, runner, toToken, openSource } = dependencies;
  const { jobId, request } = session;
  const job = planJob(session, requireSnapshot(session));
  const cloneSecrets = await collectCloneSecrets(job, openSource, signal);
  const { vaultToken, note } = await readVaultToken(dependencies, session, signal);
  return runner.prepare(
    {
      job,
      ...(Object.keys(cloneSecrets).length === 0 ? {} : { cloneSecrets }),
      ...(vaultToken === undefined ? {} : { vaultToken }),
      files: {
        ...(await collectFiles(store, session)),
        ...(note === undefined ? {} : { 'launch-notes': gzipSync(`${note}\n`) }),
      },
      ...(request.ansibleConfig === '' ? {} : { ansibleConfig: request.ansibleConfig }),
      token: toToken(jobId),
      ...(request.target.definition === 'image'
        ? { imageKey: requireImages(dependencies).toKey(jobId) }
        : {}),
    },
    signal,
  );
}

/** Includes what the worker wrote to the log of `inventory`: the job prints it first, so that both logs stay equal. */
async function collectFiles(store: Store, { jobId, request }: Session): Promise<StagedFiles> {
  const { [INVENTORY_FILE]: inventory } = await store.stagedFiles.read(jobId);
  // Without it, the playbooks would find no host and succeed.
  if (inventory === undefined && request.target.definition !== 'repo')
    throw setBack(jobId, 'the inventory');
  await store.logs.handOver(jobId, 'inventory');
  return store.stagedFiles.read(jobId);
}

/** Releases the recorded incarnation and no other. If it is gone, the observer finds out. */
async function releaseRecorded(
  { runner, logger }: ActivityDependencies,
  { jobId, incarnation, name }: Session,
  signal: AbortSignal,
): Promise<{ launched: boolean }> {
  try {
    await runner.release(jobId, incarnation ?? '', signal);
    logger.info({ session: name, jobId }, 'job launched');
  } catch (error) {
    if (!isServiceError(error) || error.fault !== 'missing') throw error;
    logger.info({ session: name, jobId }, 'job is gone');
  }
  return { launched: true };
}
