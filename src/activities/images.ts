import { ServiceError } from '../core/errors.js';
import {
  findResultNameFault,
  listImageIds,
  toContainerName,
  toImageId,
  toKeyName,
  toResultName,
  type Image,
  type ImageJob,
} from '../core/image.js';
import type { Session } from '../core/session.js';
import { atMost } from './at-most.js';
import { getSession, requireSnapshot, type ActivityDependencies } from './dependencies.js';
import { withHeartbeat } from './heartbeat.js';
import { waitForImage } from './image-wait.js';
import {
  IMAGE_RESOURCES,
  findImageJobs,
  readImageJobs,
  removeKeys,
  requireImages,
  toCause,
  type ImageWork,
} from './image-work.js';
import type { Activities } from './interface.js';
import { openPhaseLog, type PhaseLog } from './phase-log.js';
import { readWithin, type SourceLimit } from './source-limit.js';
import { openWaits } from './waits.js';

/** Requests to IMS at once. It works on one at a time, so more would only wait there. */
const AT_ONCE = 4;

export function createImageActivities(
  dependencies: ActivityDependencies,
): Pick<Activities, 'stageImages' | 'awaitImage'> {
  const { store } = dependencies;
  return {
    stageImages: ({ jobId }) =>
      withHeartbeat(async (_, beat) => {
        const session = await getSession(store, jobId);
        const imageIds = listImageIds(session.request.target.groups ?? []);
        // The workflow was put back to before the launch: see `stageInventory`.
        if (session.launchedAt !== undefined) return { staged: true, imageIds };
        // Before the first call to IMS: from here on something of the session exists outside the database.
        if (!(await store.sessions.markRunning(jobId))) return { staged: false, imageIds };
        const log = openPhaseLog(store, jobId, 'inventory', beat.signal);
        await noteUnused(session, imageIds, log);
        const images = requireImages(dependencies);
        const { source } = images.client;
        const limit = toPrepareLimit(session, 'The images', () => `${source} did not answer.`);
        await log.whileWaiting(`Having ${source} open the images`, () =>
          readWithin(limit, beat, openWaits(dependencies, session, 'inventory'), (signal) =>
            stageImages({ ...images, store, log, session, signal }, imageIds),
          ),
        );
        return { staged: true, imageIds };
      }),

    awaitImage: ({ jobId, imageId }) =>
      withHeartbeat(async (_, beat) => {
        const images = requireImages(dependencies);
        const session = await getSession(store, jobId);
        if (session.launchedAt !== undefined) return;
        const log = openPhaseLog(store, jobId, 'inventory', beat.signal);
        const known = { status: `Image ${imageId}: IMS has not answered yet.` };
        const limit = toPrepareLimit(session, `Image ${imageId}`, () => known.status);
        const waits = openWaits(dependencies, session, 'inventory');
        await readWithin(limit, beat, waits, (signal) =>
          awaitImage({ ...images, store, log, session, signal }, imageId, (text) => {
            known.status = text;
            void waits.tellIfLasting(text);
          }),
        );
      }),
  };
}

/** Warns of images that `image_map` names although no group does. */
async function noteUnused(
  { request: { target } }: Session,
  imageIds: readonly string[],
  log: PhaseLog,
): Promise<void> {
  for (const { sourceId } of target.imageMap ?? [])
    if (!imageIds.includes(toImageId(sourceId)))
      await log.write(
        `WARNING: image_map names ${sourceId}, which is in no group; it is not used.`,
      );
}

/**
 * Has IMS open each image. Everything is noted before it is made, so that a repeat finds it.
 * Once the jobs exist, the record of the key is no longer needed.
 */
async function stageImages(work: ImageWork, imageIds: readonly string[]): Promise<void> {
  const { client, store, session, log, deploymentId, signal } = work;
  const { jobId, name } = session;
  const staged = await readImageJobs(store, jobId);
  const missing = imageIds.filter((id) => !staged.has(id));
  if (missing.length > 0) {
    const images = await atMost(AT_ONCE, missing, (id) => findImage(work, id));
    for (const image of images) refuseUnnamable(session, image);
    const keyName = toKeyName(name, jobId, deploymentId);
    await store.resources.note(jobId, IMAGE_RESOURCES.key, keyName);
    const { publicKey } = work.toKey(jobId);
    const keyId = await client.ensureKey({ name: keyName, publicKey }, signal);
    const container = toContainerName(jobId, deploymentId);
    await store.resources.note(jobId, IMAGE_RESOURCES.container, container);
    await atMost(AT_ONCE, images, async (image) => {
      const { job, resultName } = await openImage(work, image, keyId);
      await store.resources.note(jobId, IMAGE_RESOURCES.job, `${image.id}/${job.id}`);
      await log.write(`Image ${image.id} (${image.name}): IMS job ${job.id} makes ${resultName}.`);
    });
  }
  const first = (await readImageJobs(store, jobId)).get(imageIds[0] ?? '');
  if (first !== undefined) await store.sessions.recordImsJob(jobId, first);
  const refusal = await removeKeys(work, toKeyName(name, jobId, deploymentId));
  if (refusal !== undefined) await log.write(`WARNING: ${refusal}`);
}

async function findImage({ client, signal }: ImageWork, id: string): Promise<Image> {
  const image = await client.findImage(id, signal);
  if (image !== undefined) return image;
  throw new ServiceError('missing', `Image ${id} is not known to ${client.source}.`, {
    reason: 'IMAGE_NOT_FOUND',
  });
}

/** Names in `image_map` were checked when the session was posted. A name made from the source's name can be anything. */
function refuseUnnamable({ name, request }: Session, image: Image): void {
  const resultName = toResultName(image, name, request.target.imageMap);
  const fault = findResultNameFault(resultName);
  if (fault === undefined) return;
  throw new ServiceError(
    'rejected',
    // The name comes last, because a long message is cut.
    `Image ${image.id}: give the new image a name in image_map. The name of an image ${fault}, and it would be called "${resultName}".`,
    { reason: 'IMAGE_PREPARE' },
  );
}

async function openImage(
  { client, session, deploymentId, signal }: ImageWork,
  image: Image,
  keyId: string,
): Promise<{ readonly job: ImageJob; readonly resultName: string }> {
  const { jobId, name, request, snapshot } = session;
  const resultName = toResultName(image, name, request.target.imageMap);
  const job = await client.ensureJob(
    {
      imageId: image.id,
      resultName,
      keyId,
      container: toContainerName(jobId, deploymentId),
      requireDkms: snapshot?.requireDkms ?? false,
    },
    signal,
  );
  return { job, resultName };
}

async function awaitImage(
  work: ImageWork,
  imageId: string,
  tell: (text: string) => void,
): Promise<void> {
  const { client, shell, session, store, log, signal, deploymentId } = work;
  const { jobId } = session;
  const id = (await findImageJobs(work, store, session, signal)).get(imageId);
  if (id === undefined) throw endedEarly(imageId, 'its IMS job is gone');
  const container = toContainerName(jobId, deploymentId);
  const { privateKey } = work.toKey(jobId);
  const began = Date.now();
  const seconds = () => `${((Date.now() - began) / 1000).toFixed(0)} s`;
  let known: ImageJob['status'] | undefined;
  await waitForImage(
    async () => {
      const job = await client.getJob({ id, container, known }, signal);
      refuseEnded(imageId, id, job);
      const about = `Image ${imageId}: IMS job ${id}`;
      // IMS may hold back its answer until the status changes from `known`. This one stays: the image has to answer over SSH.
      known = job?.status === 'waiting_on_user' ? undefined : job?.status;
      if (job?.status !== 'waiting_on_user') return { waiting: `${about} is ${job?.status}.` };
      if (job.address === undefined) return { waiting: `${about} has no address yet.` };
      await shell.run(job.address, privateKey, 'true', signal);
      return { value: undefined };
    },
    { log, signal, tell },
  );
  await log.write(`Image ${imageId} answers over SSH after ${seconds()}.`);
}

function refuseEnded(imageId: string, id: string, job: ImageJob | undefined): void {
  const what =
    job === undefined
      ? 'is gone'
      : job.status === 'error' || job.status === 'success'
        ? `ended with status ${job.status} before its image could be used${toCause(job)}`
        : undefined;
  if (what !== undefined) throw endedEarly(imageId, `IMS job ${id} ${what}`);
}

function endedEarly(imageId: string, what: string): ServiceError {
  return new ServiceError('rejected', `Image ${imageId}: ${what}.`, { reason: 'IMAGE_PREPARE' });
}

function toPrepareLimit(session: Session, what: string, last: () => string): SourceLimit {
  return {
    seconds: requireSnapshot(session).limits.imagePrepareSeconds,
    option: 'image_prepare_time_limit',
    what,
    failed: 'could not be made ready',
    reason: 'IMAGE_PREPARE',
    toSilence: last,
  };
}
