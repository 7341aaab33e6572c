import { isServiceError } from '../core/errors.js';
import { listImageIds, toContainerName, type ImageJob } from '../core/image.js';
import type { PhaseResult } from '../core/job.js';
import type { PhaseReturn } from '../core/progress.js';
import type { Session } from '../core/session.js';
import { getSession, requireSnapshot, type ActivityDependencies } from './dependencies.js';
import { discardImages } from './discard.js';
import { withHeartbeat, type Heartbeat } from './heartbeat.js';
import { waitForImage } from './image-wait.js';
import { findImageJobs, requireImages, toCause, type ImageWork } from './image-work.js';
import type { Activities, PhaseInput } from './interface.js';
import { findPhase } from './phase-delivery.js';
import { openPhaseLog } from './phase-log.js';
import { readWithin } from './source-limit.js';
import { openWaits } from './waits.js';

/**
 * IMS sees `complete` within five seconds, and changes the job's status after as many more. If
 * not by this time, it is told again.
 */
const SAID_AGAIN_MS = 30_000;
const NOBODY_KNOWS_MS = 15_000;

type Packaged =
  | { readonly imageId: string; readonly resultId: string }
  | { readonly imageId: string; readonly failure: string };

export function createTeardownActivities(
  dependencies: ActivityDependencies,
): Pick<Activities, 'teardown'> {
  return {
    teardown: (input) => withHeartbeat((_, beat) => teardown(dependencies, input, beat)),
  };
}

/**
 * A phase like the others, but run by the worker. A repeat continues what an earlier attempt
 * began. If that attempt is still alive and comes to the end first, its result is taken.
 */
async function teardown(
  dependencies: ActivityDependencies,
  input: PhaseInput,
  beat: Heartbeat,
): Promise<PhaseReturn> {
  const findEnd = async () =>
    (await dependencies.store.phases.find(input.jobId, input.phase))?.result;
  const before = await findEnd();
  if (before !== undefined) return toReturn(before);
  const result = await performTeardown(dependencies, input, beat).catch(async (error: unknown) => {
    const other = isServiceError(error) && error.fault === 'gone' ? await findEnd() : undefined;
    if (other === undefined) throw error;
    return other;
  });
  return toReturn((await findEnd()) ?? result);
}

async function performTeardown(
  dependencies: ActivityDependencies,
  { jobId, phase }: PhaseInput,
  beat: Heartbeat,
): Promise<PhaseResult> {
  const { store, now, logger } = dependencies;
  const record = await findPhase(store, { jobId, phase });
  const session = await getSession(store, jobId);
  await store.phases.start(jobId, phase);
  const startedAt = record.startedAt ?? now();
  await store.phases.report(jobId, phase, { state: 'running', startedAt });
  const seal = async (result: PhaseResult) => {
    await store.phases.seal(jobId, phase, result, now());
    logger.info({ session: session.name, jobId, phase, result }, 'phase ended');
    return result;
  };
  if (!(await store.sessions.recordTeardown(jobId, now()))) {
    // A cancel came first, so the session ends as if the teardown had not begun.
    await discardImages(dependencies, session, beat.signal, { isUndoAhead: true });
    return seal({ kind: 'killed', reason: 'stopped', startedAt, endedAt: now() });
  }
  const failed = await packageAll(dependencies, session, beat);
  return seal({ kind: 'exited', exitCode: failed ? 1 : 0, startedAt, endedAt: now() });
}

/** Returns true if at least one image could not be packaged. The last line of the log names those, and the ones that were. */
async function packageAll(
  dependencies: ActivityDependencies,
  session: Session,
  beat: Heartbeat,
): Promise<boolean> {
  const { store } = dependencies;
  const { jobId } = session;
  const images = requireImages(dependencies);
  const log = openPhaseLog(store, jobId, 'teardown', beat.signal);
  const imageIds = listImageIds(session.request.target.groups ?? []);
  const last = new Map<string, string>();
  const waits = openWaits(dependencies, session, 'teardown');
  try {
    const packaged = await readWithin(
      toPackageLimit(session, () => [...last.values()].join(' ') || 'IMS has not answered yet.'),
      beat,
      waits,
      async (signal) => {
        const work = { ...images, store, log, session, signal };
        const jobs = await findImageJobs(images, store, session, signal);
        return Promise.all(
          imageIds.map((imageId) =>
            packageImage(work, imageId, jobs.get(imageId), (text) => {
              last.set(imageId, text);
              void waits.tellIfLasting([...last.values()].join(' '));
            }),
          ),
        );
      },
    );
    const message = describeFailures(packaged);
    if (message !== undefined) await log.write(`ERROR ${message}`);
    return message !== undefined;
  } catch (error) {
    if (!isServiceError(error) || error.fault !== 'rejected') throw error;
    const { artifacts } = await getSession(store, jobId);
    const done = artifacts.map(({ imageId, resultId }) => ({ imageId, resultId }));
    await log.write(`ERROR ${error.message}${describeDone(done)}`);
    return true;
  }
}

async function packageImage(
  work: ImageWork,
  imageId: string,
  imsJob: string | undefined,
  tell: (text: string) => void,
): Promise<Packaged> {
  if (imsJob === undefined) return { imageId, failure: 'its IMS job is gone' };
  const { client, session, store, log, signal, deploymentId } = work;
  const container = toContainerName(session.jobId, deploymentId);
  const telling = openTelling(work, imageId);
  let known: ImageJob['status'] | undefined;
  return waitForImage<Packaged>(
    async () => {
      const job = await client.getJob({ id: imsJob, container, known }, signal);
      const about = `Image ${imageId}: IMS job ${imsJob}`;
      if (job?.resultId !== undefined) {
        const { resultId } = job;
        // An image that exists is recorded even if IMS could not finish its job.
        await store.sessions.addArtifact(session.jobId, {
          ...{ imageId, resultId, type: 'ims_customized_image' },
        });
        if (job.status === 'error')
          return {
            value: {
              imageId,
              failure: `IMS job ${imsJob} failed after it had made ${resultId}${toCause(job)}`,
            },
          };
        await log.write(`Image ${imageId} was packaged as ${resultId}.`);
        return { value: { imageId, resultId } };
      }
      if (job === undefined) return { value: { imageId, failure: `IMS job ${imsJob} is gone` } };
      if (job.status === 'error' || job.status === 'success') {
        const failure = `IMS job ${imsJob} ended with status ${job.status} and no image${toCause(job)}`;
        return { value: { imageId, failure } };
      }
      await telling(job);
      known = job.status;
      return { waiting: `${about} is ${job.status}.` };
    },
    { log, signal, tell },
  );
}

/**
 * Tells IMS to package an image, and only once: IMS takes a moment to see it, and what it is told twice may end
 * up in the image. If `session` had a teardown when it was read, an earlier attempt may have told IMS already.
 */
function openTelling({ shell, session, log, signal, toKey }: ImageWork, imageId: string) {
  let notBefore = session.teardownAt === undefined ? 0 : performance.now() + NOBODY_KNOWS_MS;
  return async ({ status, address }: ImageJob) => {
    if (status !== 'waiting_on_user' || address === undefined || performance.now() < notBefore)
      return;
    await shell.run(address, toKey(session.jobId).privateKey, 'touch /tmp/complete', signal);
    notBefore = performance.now() + SAID_AGAIN_MS;
    await log.write(`Image ${imageId}: told to package.`);
  };
}

function describeFailures(packaged: readonly Packaged[]): string | undefined {
  const failures = packaged.flatMap((each) =>
    'failure' in each ? [`image ${each.imageId}: ${each.failure}`] : [],
  );
  if (failures.length === 0) return undefined;
  const done = packaged.flatMap((each) => ('resultId' in each ? [each] : []));
  return `${failures.join('; ')}.${describeDone(done)}`;
}

function describeDone(done: readonly { readonly imageId: string; readonly resultId: string }[]) {
  if (done.length === 0) return '';
  const names = done.map(({ imageId, resultId }) => `${imageId} as ${resultId}`);
  return ` Packaged: ${names.join(', ')}.`;
}

function toPackageLimit(session: Session, last: () => string) {
  return {
    seconds: requireSnapshot(session).limits.imagePackageSeconds,
    option: 'image_package_time_limit',
    what: 'The images',
    failed: 'could not be packaged',
    reason: 'IMAGE_PACKAGE',
    toSilence: last,
  } as const;
}

function toReturn(result: PhaseResult): PhaseReturn {
  return { result, hosts: { hosts: 0, failedHosts: 0, unreachableHosts: 0 } };
}
