import {
  ActivityFailure,
  ApplicationFailure,
  CancelledFailure,
  WorkflowFailedError,
  WorkflowNotFoundError,
  decodePendingActivityState,
  type Client,
  type Connection,
  type WorkflowExecutionDescription,
  type WorkflowExecutionStatusName,
} from '@temporalio/client';
import { REASONS, type Fault, type Reason } from '../core/errors.js';
import { omitUndefined } from '../core/omit-undefined.js';
import type { KnownEnd, Outcome } from '../core/session.js';
import type { FailingWorkflow, RunningWorkflow, WorkflowState } from '../core/sweep.js';
import { searchAttributes, type SessionResult } from '../workflows/messages.js';

const CLOSED: ReadonlySet<WorkflowExecutionStatusName> = new Set([
  'COMPLETED',
  'FAILED',
  'CANCELLED',
]);
/** Ends that come from outside: no code of the workflow runs. */
const ENDED: ReadonlySet<WorkflowExecutionStatusName> = new Set(['TERMINATED', 'TIMED_OUT']);

const PAGE = 1000;
/** A worker that is killed fails the one task that it has, and the next worker succeeds. */
const FAILING_ATTEMPTS = 3;
/** The failure of a task is the last event, but for signals and ends of activities that came since. */
const LAST_EVENTS = 100;

/** Reads the result, too, if the workflow has ended by itself. It is in the history, so a deleted run is `gone`. */
export async function describeWorkflow(client: Client, jobId: string): Promise<WorkflowState> {
  const handle = client.workflow.getHandle(jobId);
  try {
    const description = await handle.describe();
    const { status, runId } = description;
    const { name } = status;
    if (CLOSED.has(name)) {
      const end = await readEnd(handle.result());
      return end === undefined ? { kind: 'gone' } : { kind: 'closed', runId, ...end };
    }
    return ENDED.has(name) ? { kind: 'gone' } : await toRunning(client, description);
  } catch (error) {
    if (error instanceof WorkflowNotFoundError) return { kind: 'gone' };
    throw error;
  }
}

/** Undefined if the workflow does not run. */
export async function describeRunning(
  client: Client,
  workflowId: string,
): Promise<RunningWorkflow | undefined> {
  try {
    const description = await client.workflow.getHandle(workflowId).describe();
    const { name } = description.status;
    return CLOSED.has(name) || ENDED.has(name) ? undefined : await toRunning(client, description);
  } catch (error) {
    if (error instanceof WorkflowNotFoundError) return undefined;
    throw error;
  }
}

/** A text for the present rest of a workflow that only sleeps now. Undefined if it does something, or does not run. */
export async function describeRest(
  client: Client,
  workflowId: string,
): Promise<string | undefined> {
  const { status, runId, raw, historyLength } = await client.workflow
    .getHandle(workflowId)
    .describe();
  const isBusy =
    (raw.pendingWorkflowTask ?? undefined) !== undefined ||
    (raw.pendingActivities ?? []).length > 0;
  return status.name !== 'RUNNING' || isBusy ? undefined : `${runId} ${historyLength}`;
}

/** The workflow shows in its search attributes that it waits, and until its first phase begins. */
const WAITING = `ExecutionStatus = 'Running' AND WorkflowType = 'SessionWorkflow' AND ${searchAttributes.phase.name} IN ('queued', 'hosts')`;

/** Each page is a call of its own. */
export async function listWaiting(
  { workflowService }: Pick<Connection, 'workflowService'>,
  { namespace, taskQueue }: { readonly namespace: string; readonly taskQueue: string },
  call: <T>(act: () => Promise<T>) => Promise<T>,
): Promise<readonly string[]> {
  const query = `${WAITING} AND TaskQueue = '${taskQueue}'`;
  const jobIds: string[] = [];
  for (let nextPageToken: Uint8Array | undefined; ;) {
    const page = await call(() =>
      workflowService.listWorkflowExecutions({
        ...{ namespace, query, pageSize: PAGE },
        ...(nextPageToken === undefined ? {} : { nextPageToken }),
      }),
    );
    jobIds.push(...page.executions.flatMap(({ execution }) => execution?.workflowId ?? []));
    nextPageToken = page.nextPageToken;
    if (nextPageToken.length === 0) return jobIds;
  }
}

async function toRunning(
  client: Client,
  description: WorkflowExecutionDescription,
): Promise<RunningWorkflow> {
  const { status, startTime, runId, raw } = description;
  // One that somebody has paused has work to do later, and does not fail meanwhile.
  const isPaused = status.name !== 'RUNNING';
  const attempts = isPaused ? 0 : (raw.pendingWorkflowTask?.attempt ?? 0);
  return {
    kind: 'running',
    runId,
    startedAt: startTime.toISOString(),
    hasTask: isPaused || (raw.pendingWorkflowTask ?? undefined) !== undefined,
    activities: (raw.pendingActivities ?? []).map(({ activityType, state }) => ({
      type: activityType?.name ?? '',
      isCancelled: decodePendingActivityState(state) === 'CANCEL_REQUESTED',
    })),
    ...(attempts < FAILING_ATTEMPTS
      ? {}
      : { failing: { attempts, ...(await readWhy(client, description)) } }),
  };
}

/** Why the workflow's task failed. Of failures in a row the history has only the first. */
async function readWhy(
  client: Client,
  { workflowId, runId }: WorkflowExecutionDescription,
): Promise<Omit<FailingWorkflow, 'attempts'>> {
  const { history } = await client.workflowService.getWorkflowExecutionHistoryReverse({
    namespace: client.options.namespace,
    execution: { workflowId, runId },
    maximumPageSize: LAST_EVENTS,
  });
  const failed = history?.events?.find(
    (event) => event.workflowTaskFailedEventAttributes ?? event.workflowTaskTimedOutEventAttributes,
  );
  const why = failed?.workflowTaskFailedEventAttributes?.failure?.message ?? undefined;
  return {
    why: why ?? 'No worker has finished its task in time.',
    isTimeout: why === undefined,
  };
}

/** Undefined if the workflow found no record: then it has not ended the session, which another database has. */
async function readEnd(ended: Promise<unknown>): Promise<Omit<KnownEnd, 'runId'> | undefined> {
  try {
    const { outcome, reason, message, artifacts } = (await ended) as SessionResult;
    const succeeded = outcome === 'succeeded' ? 'true' : 'false';
    return {
      outcome: { succeeded, ...omitUndefined({ reason, message }) },
      ...omitUndefined({ artifacts }),
    };
  } catch (error) {
    if (!(error instanceof WorkflowFailedError)) throw error;
    return isWithoutRecord(error.cause) ? undefined : { outcome: toFailedOutcome(error.cause) };
  }
}

function isWithoutRecord(cause: unknown): boolean {
  if (!(cause instanceof ActivityFailure) || !(cause.cause instanceof ApplicationFailure))
    return false;
  return cause.cause.type === ('missing' satisfies Fault);
}

/** The failure's type is the session's reason; the workflow's `conclude` sets it. */
function toFailedOutcome(cause: unknown): Outcome {
  const said = omitUndefined({ message: cause instanceof Error ? cause.message : undefined });
  if (cause instanceof CancelledFailure)
    return { succeeded: 'false', reason: 'CANCELLED', ...said };
  const type = cause instanceof ApplicationFailure ? cause.type : undefined;
  const reason: Reason = REASONS.find((word) => word === type) ?? 'INTERNAL';
  return { succeeded: reason === 'JOB_LOST' ? 'unknown' : 'false', reason, ...said };
}
