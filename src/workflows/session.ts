import {
  ActivityCancellationType,
  ApplicationFailure,
  CancellationScope,
  CancelledFailure,
  condition,
  setHandler,
  upsertSearchAttributes,
} from '@temporalio/workflow';
import { isSuccess, type SessionPhaseKind } from '../core/job.js';
import { endPhase, startPhase, type Progress } from '../core/progress.js';
import type { Outcome } from '../core/session.js';
import { toStepFailure, type StepFailure } from '../core/step-failure.js';
import type { ClaimResult, QueuePlace } from '../activities/index.js';
import { openAdmission, type Admission } from './admission.js';
import { openCancellation, type Cancellation } from './cancellation.js';
import { openDetails, type Details } from './details.js';
import { openJobLoss, type JobLoss } from './job-loss.js';
import {
  searchAttributes,
  statusQuery,
  type SessionInput,
  type SessionResult,
} from './messages.js';
import { act, compensate, observe, prepare, record, wait } from './proxies.js';

/** Undoes one thing; registered before the thing is done. */
interface Undo {
  readonly what: string;
  readonly run: () => Promise<unknown>;
}

interface Run {
  readonly jobId: string;
  readonly claim: Exclude<ClaimResult, { kind: 'complete' }>;
  readonly cancellation: Cancellation;
  readonly loss: JobLoss;
  readonly admission: Admission;
  readonly details: Details;
  readonly undo: Undo[];
  readonly show: (change: (progress: Progress) => Progress) => void;
  readonly progress: () => Progress;
}

const activityOf = {
  'git-clone': 'gitClone',
  'git-clone-hosts': 'gitCloneHosts',
  inventory: 'inventory',
  ansible: 'ansible',
  teardown: 'teardown',
} as const satisfies Record<SessionPhaseKind, keyof typeof observe>;

/** Images that are waited for at once. */
const MAX_IMAGES = 10;

/** One session from its claim to its outcome. The job runs by itself; this watches it, and survives with it. */
export async function SessionWorkflow({ jobId }: SessionInput): Promise<SessionResult> {
  const cancellation = openCancellation((request) => record.noteCancel({ jobId, ...request }));
  const loss = openJobLoss();
  const admission = openAdmission();
  const details = openDetails();
  let progress: Progress = [];
  setHandler(
    statusQuery,
    () => {
      const cancel = cancellation.request();
      return { jobId, progress, ...(cancel === undefined ? {} : { cancel }) };
    },
    {
      description:
        'Its phases, and who has cancelled it. For debugging; the API answers from the database.',
    },
  );
  const claim = await CancellationScope.nonCancellable(() => record.claimSession({ jobId }));
  if (claim.kind === 'complete') return conclude(claim.outcome, cancellation);

  const undo: Undo[] = [];
  const show: Run['show'] = (change) => {
    progress = change(progress);
    details.show(progress);
  };
  const run: Run = {
    ...{ jobId, claim, cancellation, loss, admission, details, undo, show },
    progress: () => progress,
  };
  const failure = await Promise.race([runSession(run).then(() => undefined), loss.lost]).catch(
    toStepFailure,
  );
  return CancellationScope.nonCancellable(async () => {
    if (cancellation.request() !== undefined) await cancellation.noted;
    const leftovers = await undoAll(undo.filter(({ what }) => what !== 'job' || !loss.isLost()));
    const outcome = await record.recordOutcome({
      jobId,
      ...describeEnd(failure, cancellation),
      leftovers,
    });
    showState(claim, 'complete', outcome.phase ?? '');
    return conclude(outcome, cancellation);
  });
}

async function runSession(run: Run): Promise<void> {
  const { jobId, claim, cancellation, loss, undo } = run;
  undo.unshift({ what: 'staged files', run: () => compensate.removeStagedFiles({ jobId }) });
  if (claim.customizesImages === true) {
    undo.unshift({ what: 'IMS key', run: () => compensate.removeImageKey({ jobId }) });
    undo.unshift({ what: 'IMS jobs', run: () => compensate.discardImages({ jobId }) });
  }
  if (claim.kind === 'stop' && !claim.launched) return;
  if (claim.kind === 'go') {
    if (claim.queue !== undefined) await waitForPlace(run, claim.queue);
    const plan = await cancellation.scope.run(() => prepare.resolveConfiguration({ jobId }));
    run.show(() => plan.phases);
    if (claim.customizesImages === true && !(await openImages(run))) return;
    await cancellation.scope.run(() => prepare.stageInventory({ jobId }));
  }
  await CancellationScope.nonCancellable(async () => {
    undo.unshift({
      what: 'job',
      // Where nobody is left on the machine's queue who could do it; its worker does when it comes back.
      run: () =>
        Promise.race([
          compensate.stopJob.executeWithOptions(onQueue(claim.controlQueue), [{ jobId }]),
          loss.whenTold(),
        ]),
    });
    if (claim.kind !== 'go') {
      const plan = await prepare.resolveConfiguration({ jobId });
      run.show(() => plan.phases);
    }
    // Also of what an earlier run launched: it may have died before it let the job run.
    if (claim.kind !== 'stop') {
      const launch = prepare.launchJob.executeWithOptions(onQueue(claim.controlQueue), [{ jobId }]);
      if (!(await launch).launched) return;
    }
    await observeJob(run);
  });
}

/** False: the session is not wanted any more. */
async function openImages({ jobId, cancellation }: Run): Promise<boolean> {
  const { staged, imageIds } = await cancellation.scope.run(() => wait.stageImages({ jobId }));
  if (!staged) return false;
  for (let first = 0; first < imageIds.length; first += MAX_IMAGES) {
    const some = imageIds.slice(first, first + MAX_IMAGES);
    await cancellation.scope.run(() => awaitImages(jobId, some));
  }
  return true;
}

/** The first that fails ends the others, and they have ended before anything is undone. */
async function awaitImages(jobId: string, imageIds: readonly string[]): Promise<void> {
  const scope = new CancellationScope();
  await scope.run(async () => {
    const waits = imageIds.map((imageId) =>
      wait.awaitImage.executeWithOptions({ summary: imageId }, [{ jobId, imageId }]),
    );
    await Promise.all(waits).catch(async (error: unknown) => {
      scope.cancel();
      await Promise.allSettled(waits);
      throw error;
    });
  });
}

/** Holds no slot of a worker meanwhile, and ends with a cancel. */
async function waitForPlace(run: Run, queue: QueuePlace): Promise<void> {
  const { claim, cancellation, admission, details } = run;
  showState(claim, 'pending', 'queued');
  details.wait(
    `Waits for a place since ${new Date().toISOString()}: number ${queue.place} in the queue when it came; ${queue.limit} sessions may run at once.`,
  );
  await cancellation.scope.run(() => condition(admission.isAdmitted));
  details.wait('');
}

/** Waits phase by phase. A cancel stops the job, never this: the phase then ends by itself, its log whole. */
async function observeJob(run: Run): Promise<void> {
  const { jobId, claim, cancellation } = run;
  const stop = () => act.stopJob.executeWithOptions(onQueue(claim.controlQueue), [{ jobId }]);
  const stopping = claim.kind === 'stop' ? stop() : cancellation.noted.then(stop);
  const stopFailed = stopping.then(
    () => new Promise<never>(() => undefined),
    (error: unknown) => Promise.reject(error instanceof Error ? error : new Error(String(error))),
  );
  await Promise.race([observePhases(run), stopFailed]);
  if (claim.kind === 'stop' || cancellation.request() !== undefined) await stopping;
}

async function observePhases(run: Run): Promise<void> {
  for (const { name, kind, title } of run.progress()) {
    showState(run.claim, 'running', name);
    run.show((progress) => startPhase(progress, name, Date.now()));
    const end = await observe[activityOf[kind]].executeWithOptions(
      // What is not the job's any worker can do.
      { ...onQueue(kind === 'teardown' ? undefined : run.claim.machineQueue), summary: title },
      [{ jobId: run.jobId, phase: name }],
    );
    run.show((progress) => endPhase(progress, name, end, Date.now()));
    if (!isSuccess(end.result)) return;
  }
}

/** Local jobs live on one machine; everything that touches them goes to its queues and nowhere else. */
function onQueue(taskQueue: string | undefined) {
  return {
    cancellationType: ActivityCancellationType.WAIT_CANCELLATION_COMPLETED,
    ...(taskQueue === undefined ? {} : { taskQueue }),
  };
}

/** Every undo is tried; those that could not be done within their time are named. */
async function undoAll(undo: readonly Undo[]): Promise<readonly string[]> {
  const leftovers: string[] = [];
  for (const { what, run } of undo) {
    try {
      await run();
    } catch (error) {
      leftovers.push(`${what} (${toStepFailure(error).message})`);
    }
  }
  return leftovers;
}

/** A step that a cancel ended is no failure of its own: the record knows of the cancel. */
function describeEnd(failure: StepFailure | undefined, cancellation: Cancellation) {
  return failure === undefined ||
    (cancellation.request() !== undefined && failure.reason === undefined)
    ? {}
    : { failure };
}

function showState(claim: Run['claim'], status: string, phase: string): void {
  upsertSearchAttributes([
    { key: searchAttributes.name, value: claim.sessionName },
    { key: searchAttributes.configuration, value: claim.configurationName },
    { key: searchAttributes.status, value: status },
    { key: searchAttributes.phase, value: phase },
  ]);
}

/** Success completes; our cancel completes as `cancelled`, Temporal's own ends Canceled; all else fails with its reason. */
function conclude(outcome: Outcome, cancellation: Cancellation): SessionResult {
  const { reason, message } = outcome;
  const told = {
    ...(reason === undefined ? {} : { reason }),
    ...(message === undefined ? {} : { message }),
  };
  if (outcome.succeeded === 'true') return { outcome: 'succeeded', ...told };
  if (reason === 'CANCELLED') {
    if (cancellation.isNative()) throw new CancelledFailure(message ?? 'cancelled');
    return { outcome: 'cancelled', ...told };
  }
  throw ApplicationFailure.nonRetryable(
    message ?? 'The session did not succeed.',
    reason ?? 'INTERNAL',
  );
}
