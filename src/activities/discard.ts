import { isServiceError, ServiceError } from '../core/errors.js';
import {
  isBeforePackaging,
  mayBePackaging,
  toContainerName,
  toKeyName,
  type ImageJob,
} from '../core/image.js';
import type { PhaseResult } from '../core/job.js';
import type { Session } from '../core/session.js';
import { limitTime } from '../core/time-limit.js';
import type { Store } from '../store/store.js';
import type { ActivityDependencies, ImageDependencies } from './dependencies.js';
import { getSession } from './dependencies.js';
import { withHeartbeat } from './heartbeat.js';
import { waitForImage } from './image-wait.js';
import { IMAGE_RESOURCES, removeKeys, requireImages } from './image-work.js';
import type { Activities } from './interface.js';
import { openPhaseLog, type PhaseLog } from './phase-log.js';

/** How long an attempt waits for packaging: less than the start-to-close timeout of an undo. The next attempt waits on. */
const PACKAGING_MS = 240_000;
const TELLING_MS = 15_000;
/** IMS looks every five seconds for what it was told, so a job that still waits for its user after this time was not told. */
const DECIDING_MS = 30_000;

export function createDiscardActivities(
  dependencies: ActivityDependencies,
): Pick<Activities, 'discardImages' | 'removeImageKey'> {
  const { store, now } = dependencies;
  return {
    discardImages: ({ jobId, hasTeardownEnded }) =>
      withHeartbeat(async (signal) => {
        const session = await getSession(store, jobId);
        // The record may have lost which images were made. The session begins again, and finds them in IMS; or the sweep discards them.
        if (hasTeardownEnded === true && (await findTeardownEnd(store, jobId)) === undefined)
          return;
        const startedAt = now();
        const { isFound, refusals } = await discardImages(dependencies, session, signal);
        if (!isFound) return;
        // The session failed before its teardown. A teardown that has a result keeps it.
        const result = { kind: 'exited', exitCode: 0, startedAt, endedAt: now() } as const;
        await store.phases.seal(jobId, 'teardown', result, now());
        throwRefusals(refusals);
      }),
    removeImageKey: ({ jobId }) =>
      withHeartbeat(async (signal) => {
        await removeImageKey(dependencies, await getSession(store, jobId), signal);
      }),
  };
}

async function findTeardownEnd({ phases }: Store, jobId: string): Promise<PhaseResult | undefined> {
  return (await phases.find(jobId, 'teardown'))?.result;
}

type Means = Pick<ActivityDependencies, 'store' | 'images'>;

interface Discarded {
  /** Whether anything was noted. */
  readonly isFound: boolean;
  /** Why IMS does not remove images for good, a sentence for each. Another attempt would be refused, too. */
  readonly refusals: readonly string[];
}

interface DiscardOptions {
  /** How long to wait for a job that is packaging. */
  readonly patienceMs?: number;
  /** The undo of the session comes to these images again. It is left to it to tell of refusals. */
  readonly isUndoAhead?: boolean;
}

/** Removes what a session that is over, or about to be, has left in IMS, if it is still there. */
export async function discardImages(
  dependencies: Means,
  session: Session,
  signal: AbortSignal,
  { patienceMs = PACKAGING_MS, isUndoAhead = false }: DiscardOptions = {},
): Promise<Discarded> {
  const { store } = dependencies;
  const { jobId } = session;
  const kinds: readonly string[] = [IMAGE_RESOURCES.container, IMAGE_RESOURCES.job];
  const noted = (await store.resources.list(jobId)).filter(({ kind }) => kinds.includes(kind));
  if (noted.length === 0) return { isFound: false, refusals: [] };
  const images = requireImages(dependencies);
  const log = openOpenLog(store, jobId, signal);
  const kept = new Set((await getSession(store, jobId)).artifacts.map(({ resultId }) => resultId));
  const container = toContainerName(jobId, images.deploymentId);
  const refusals: string[] = [];
  for (const job of await images.client.findJobs(container, signal)) {
    const work = { ...images, session, log, signal, patienceMs, isUndoAhead };
    refusals.push(...(await discardJob(work, job, kept)));
  }
  if (refusals.length === 0 || !isUndoAhead)
    for (const { kind, key } of noted) await store.resources.remove(jobId, kind, key);
  return { isFound: true, refusals };
}

/** Tells, once, what IMS refused to remove for good: the session is to name it. */
export function throwRefusals(refusals: readonly string[]): void {
  if (refusals.length > 0)
    throw new ServiceError('rejected', refusals.join(' '), { reason: 'IMAGE_PREPARE' });
}

/**
 * For the sweep: removes IMS jobs with this job's name, even if no record knows of them, but
 * none that may be packaging, and no image.
 */
export async function discardOrphans(
  { client, deploymentId }: Pick<ImageDependencies, 'client' | 'deploymentId'>,
  jobId: string,
  signal: AbortSignal,
): Promise<void> {
  for (const { id, status } of await client.findJobs(toContainerName(jobId, deploymentId), signal))
    if (!mayBePackaging(status)) await client.removeJob(id, signal);
}

export async function removeImageKey(
  dependencies: Means,
  session: Session,
  signal: AbortSignal,
): Promise<void> {
  const { store } = dependencies;
  const { jobId } = session;
  const keys = (await store.resources.list(jobId)).filter(
    ({ kind }) => kind === IMAGE_RESOURCES.key,
  );
  if (keys.length === 0) return;
  const { client, deploymentId } = requireImages(dependencies);
  const refusal = await removeKeys(
    { client, signal },
    toKeyName(session.name, jobId, deploymentId),
  );
  for (const { kind, key } of keys) await store.resources.remove(jobId, kind, key);
  throwRefusals(refusal === undefined ? [] : [refusal]);
}

interface Discard extends ImageDependencies, Required<DiscardOptions> {
  readonly session: Session;
  readonly log: Pick<PhaseLog, 'write'>;
  readonly signal: AbortSignal;
}

/**
 * IMS cleans up only after jobs that it has ended itself, so a job that is packaging must end before it may be removed.
 * Returns a refusal to remove its image for good, if there is one.
 */
async function discardJob(
  work: Discard,
  job: ImageJob,
  kept: ReadonlySet<string>,
): Promise<readonly string[]> {
  const { client, log, signal } = work;
  const mayPackage = work.session.teardownAt !== undefined || job.status === 'packaging_artifacts';
  const ended = mayPackage && job.resultId === undefined ? await awaitEnd(work, job) : job;
  if (ended?.status === 'waiting_on_user') await tellFailed(work, ended);
  const result = ended?.resultId;
  const refusals =
    result === undefined || kept.has(result) ? [] : await removeLate(work, job, result);
  // The job names the image to the undo.
  if (refusals.length === 0 || !work.isUndoAhead) await client.removeJob(job.id, signal);
  if (result === undefined)
    await log.write(`Image ${job.imageId}: IMS job ${job.id} is removed, nothing was made.`);
  return refusals;
}

async function removeLate(
  { client, log, signal }: Discard,
  { imageId }: ImageJob,
  result: string,
): Promise<readonly string[]> {
  const why = await client.removeImage(result, signal);
  await log.write(`Image ${imageId}: ${result}, which came too late, is removed.`);
  if (why === undefined) return [];
  const refusal = `Image ${result} stays among the deleted images of IMS: ${why}`;
  await log.write(`WARNING: ${refusal}`);
  return [refusal];
}

/** For a job that may have been told to package: tells it to fail, and waits until IMS has decided. */
async function awaitEnd(work: Discard, job: ImageJob): Promise<ImageJob | undefined> {
  const { client, log, deploymentId, session, signal, patienceMs } = work;
  const container = toContainerName(session.jobId, deploymentId);
  if (job.status === 'waiting_on_user') await tellFailed(work, job);
  const began = performance.now();
  const hasPassed = (ms: number) => performance.now() - began >= ms;
  let known: ImageJob['status'] | undefined;
  return waitForImage<ImageJob | undefined>(
    async () => {
      const now = await client.getJob({ id: job.id, container, known }, signal);
      // The image is complete as soon as it is named, a moment before the job is done.
      if (now?.resultId !== undefined) return { value: now };
      if (now === undefined || now.status === 'error' || now.status === 'success')
        return { value: now };
      if (isBeforePackaging(now.status) && hasPassed(Math.min(DECIDING_MS, patienceMs)))
        return { value: now };
      if (hasPassed(patienceMs))
        throw new ServiceError('unavailable', `IMS job ${job.id} is still ${now.status}.`);
      known = now.status;
      return {
        waiting: `Image ${job.imageId}: IMS job ${job.id} is ${now.status}; waiting for its end.`,
      };
    },
    { log: { ...log, whileWaiting: (_, act) => act() }, signal },
  );
}

/** Tells the environment to fail, if it can be reached, so that IMS ends the job in its own way. It is removed in any case. */
async function tellFailed({ shell, log, session, toKey, signal }: Discard, job: ImageJob) {
  const { address, imageId } = job;
  if (address === undefined) return;
  const soon = limitTime(TELLING_MS, signal);
  try {
    await shell.run(address, toKey(session.jobId).privateKey, 'touch /tmp/failed', soon);
    await log.write(`Image ${imageId}: told to discard.`);
  } catch (error) {
    signal.throwIfAborted();
    if (!soon.aborted && !isServiceError(error)) throw error;
    await log.write(`Image ${imageId}: could not be told to discard.`);
  }
}

/** Writes to the log of `teardown` while it is open. Lines that come after its end are dropped. */
function openOpenLog(store: Store, jobId: string, signal: AbortSignal): Pick<PhaseLog, 'write'> {
  const log = openPhaseLog(store, jobId, 'teardown', signal);
  return {
    write: (line) =>
      log.write(line).catch((error: unknown) => {
        if (!isServiceError(error) || !(error.fault === 'gone' || error.isSetBack)) throw error;
      }),
  };
}
