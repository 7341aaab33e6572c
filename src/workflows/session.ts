import {
  CancellationScope,
  condition,
  continueAsNew,
  isCancellation,
  workflowInfo,
} from '@temporalio/workflow';
import { toStepFailure, type StepFailure } from '../core/step-failure.js';
import type { QueuePlace } from '../activities/index.js';
import { openAdmission } from './admission.js';
import { openCancellation } from './cancellation.js';
import { openDetails } from './details.js';
import { conclude, describeFailure } from './ending.js';
import { openJobLoss } from './job-loss.js';
import type { SessionInput, SessionResult } from './messages.js';
import { compensate, onQueue, prepare, record } from './proxies.js';
import { openImages } from './session-images.js';
import { observeJob } from './session-phases.js';
import type { SessionRun } from './session-run.js';
import { answerStatus, showState } from './status.js';
import { createUndoList } from './undo.js';

/**
 * One session, from its claim to its outcome: prepare the job, launch it, watch it phase by phase, undo
 * what was made, record how it ended. The job runs by itself, so this workflow may be replayed, reset or
 * started again at any time; its claim tells it how far the session is.
 */
export async function SessionWorkflow({ jobId }: SessionInput): Promise<SessionResult> {
  // The payload of the signal may be anybody's, and name another job.
  const cancellation = openCancellation((request) => record.noteCancel({ ...request, jobId }));
  const loss = openJobLoss();
  const admission = openAdmission();
  const details = openDetails();
  answerStatus(jobId, { details, cancellation });

  const claim = await CancellationScope.nonCancellable(() => record.claimSession({ jobId }));
  if (claim.kind === 'complete') return conclude(claim.outcome, cancellation);

  const undo = createUndoList();
  const run: SessionRun = { jobId, claim, cancellation, loss, admission, details, undo };
  const failure = await Promise.race([runSession(run).then(() => undefined), loss.lost]).catch(
    toStepFailure,
  );
  return CancellationScope.nonCancellable(() => endSession(run, failure));
}

async function runSession(run: SessionRun): Promise<void> {
  registerUndoOfPreparation(run);
  const step = await reachJob(run);
  if (step === 'none') return;
  // From here on a cancel stops the job instead of ending the activities.
  await CancellationScope.nonCancellable(async () => {
    registerUndoOfJob(run);
    if (step === 'observe' || run.claim.kind !== 'go') await resolvePlan(run);
    if (step === 'launch' && !(await launchJob(run))) return;
    await observeJob(run);
  });
}

/** What comes next for the job: it is launched and observed, only observed because a cancel came, or it never runs. */
type JobStep = 'launch' | 'observe' | 'none';

/** Prepares the job, unless an earlier run of the workflow has. */
async function reachJob(run: SessionRun): Promise<JobStep> {
  const { claim, cancellation } = run;
  if (claim.kind === 'stop') return claim.launched ? 'observe' : 'none';
  // A job that an earlier run launched is launched again, because that run may have died before it released the job.
  if (claim.kind !== 'go') return 'launch';
  try {
    return (await prepareJob(run)) ? 'launch' : 'none';
  } catch (error) {
    // A workflow that was reset to before the launch does not know that its job runs; the record does.
    if (isCancellation(error) && (await cancellation.noted)?.launched === true) return 'observe';
    throw error;
  }
}

/** Registers the undo of what the preparation makes, or has made in an earlier run of the workflow. */
function registerUndoOfPreparation({ jobId, claim, details, undo }: SessionRun): void {
  undo.add('staged files', () => compensate.removeStagedFiles({ jobId }));
  if (claim.customizesImages !== true) return;
  undo.add('IMS key', () => compensate.removeImageKey({ jobId }));
  undo.add('IMS jobs', () => {
    const hasEnded = details.progress().some(({ kind, end }) => kind === 'teardown' && end);
    return compensate.discardImages({ jobId, ...(hasEnded ? { hasTeardownEnded: true } : {}) });
  });
}

/**
 * Registers the stop of the job. A job on a lost machine is not stopped here: if the machine comes back,
 * its own worker does it.
 */
function registerUndoOfJob({ jobId, claim, loss, undo }: SessionRun): void {
  undo.add('job', async () => {
    if (loss.isLost()) return;
    const stopped = compensate.stopJob.executeWithOptions(onQueue(claim.controlQueue), [{ jobId }]);
    await Promise.race([stopped, loss.whenTold()]);
  });
}

/** Runs the steps before the launch; a cancel ends the current one. Returns false if the session is no longer wanted. */
async function prepareJob(run: SessionRun): Promise<boolean> {
  const { claim, cancellation } = run;
  if (claim.queue !== undefined) await waitForPlace(run, claim.queue);
  await cancellation.scope.run(() => resolvePlan(run));
  if (claim.customizesImages === true && !(await openImages(run))) return false;
  await stageInventory(run);
  return true;
}

/** Stages the inventory; after each wait for hosts again, with the inventory as it is then. */
async function stageInventory(run: SessionRun): Promise<void> {
  const { jobId, claim, cancellation, admission, details } = run;
  for (let waitingSince: string | undefined; ;) {
    admission.forget();
    const input = waitingSince === undefined ? { jobId } : { jobId, waitingSince };
    const wait = await cancellation.scope.run(() => prepare.stageInventory(input));
    if (wait === undefined) return;
    showState(claim, 'pending', 'hosts');
    details.wait(`${wait.message} (As of ${new Date().toISOString()}.)`);
    await cancellation.scope.run(() => condition(admission.isAdmitted));
    details.wait('');
    waitingSince = wait.since;
  }
}

/** The database keeps the queue, so a waiting session takes no slot of a worker. */
async function waitForPlace(run: SessionRun, { place, limit }: QueuePlace): Promise<void> {
  const { claim, cancellation, admission, details } = run;
  showState(claim, 'pending', 'queued');
  details.wait(
    `Waiting for a place since ${new Date().toISOString()}: it was number ${place} in the queue then, and ${limit} sessions may run at once.`,
  );
  await cancellation.scope.run(() => condition(admission.isAdmitted));
  details.wait('');
}

/** Pins what the session runs, once; a repeat returns the same phases. */
async function resolvePlan({ jobId, details }: SessionRun): Promise<void> {
  const { phases } = await prepare.resolveConfiguration({ jobId });
  details.update(() => phases);
}

/** Returns false if the record no longer allows a launch. */
async function launchJob({ jobId, claim }: SessionRun): Promise<boolean> {
  const queue = onQueue(claim.controlQueue);
  const { launched } = await prepare.launchJob.executeWithOptions(queue, [{ jobId }]);
  return launched;
}

async function endSession(
  run: SessionRun,
  failure: StepFailure | undefined,
): Promise<SessionResult> {
  const { jobId, claim, cancellation, undo } = run;
  if (cancellation.request() !== undefined) await cancellation.noted;
  const cancel = cancellation.request();
  const mayBeginAgain = isFirstRun() && cancel === undefined;
  if (mayBeginAgain && failure?.isSetBack === true) await beginAgain(run);
  const leftovers = await undo.undoAll();
  const outcome = await record
    .recordOutcome({
      jobId,
      ...describeFailure(failure, cancellation),
      leftovers,
      ...(cancel === undefined ? {} : { cancel }),
      ...(mayBeginAgain ? { mayBeginAgain } : {}),
    })
    .catch(async (error: unknown) => {
      if (toStepFailure(error).isSetBack === true) await beginAgain(run);
      throw error;
    });
  showState(claim, 'complete', outcome.phase ?? '');
  return conclude(outcome, cancellation);
}

/** Whether the session has not begun again yet: it does so once, so that a defect cannot repeat it for ever. */
function isFirstRun(): boolean {
  return workflowInfo().continuedFromExecutionRunId === undefined;
}

/** For a database that was set back. The claim of the new run finds out how far the session is. Never returns. */
async function beginAgain({ jobId, cancellation }: SessionRun): Promise<never> {
  // The new run knows of a cancel by the record alone, and this run no longer notes it once it has ended.
  if (cancellation.request() !== undefined) await cancellation.noted;
  return continueAsNew<typeof SessionWorkflow>({ jobId });
}
