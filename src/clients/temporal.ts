import {
  Client,
  Connection,
  isGrpcServiceError,
  WorkflowExecutionAlreadyStartedError,
  WorkflowNotFoundError,
  type TLSConfig,
  type WorkflowHandle,
  type WorkflowStartOptions,
} from '@temporalio/client';
import { ServiceError } from '../core/errors.js';
import {
  admittedSignal,
  cancelSignal,
  jobLostSignal,
  searchAttributes,
  waitingSignal,
} from '../workflows/messages.js';
import type { NotificationWorkflow, SessionWorkflow } from '../workflows/index.js';
import type { Orchestrator, SessionStart } from './interfaces.js';
import { ensureRetentionSchedule, ensureSweepSchedule } from './temporal-schedules.js';
import { createStillness } from './stillness.js';
import { describeRest, describeRunning, describeWorkflow, listWaiting } from './temporal-state.js';
import { registerSearchAttributes } from './temporal-setup.js';

/** Without a deadline a call could wait forever, because the client repeats calls that Temporal refuses under load. */
const DEADLINE_MS = 5000;
/** gRPC's INVALID_ARGUMENT and PERMISSION_DENIED: Temporal answers but will refuse the same call again, so only this session waits. */
const REFUSALS: readonly number[] = [3, 7];
const DEADLINE_EXCEEDED = 4;
/** In bytes: Temporal refuses a start with a longer summary, or, in some of its databases, with a longer keyword. */
const MAX_SUMMARY = 400;
const MAX_KEYWORD = 255;

export interface OrchestratorOptions {
  readonly address: string;
  readonly namespace: string;
  readonly taskQueue: string;
  readonly tls?: TLSConfig | undefined;
  /** Milliseconds; for tests. */
  readonly clock?: () => number;
}

/** Connects lazily, so that the API can start and record sessions before Temporal answers. */
export function createOrchestrator({
  address,
  namespace,
  taskQueue,
  tls,
  clock,
}: OrchestratorOptions): Orchestrator {
  const connection = Connection.lazy({ address, tls: tls ?? false });
  const client = new Client({ connection, namespace });
  const { schedule, workflow } = client;
  const stillness = createStillness(clock);
  /** `what`: for the message, if Temporal does not do it. */
  const call = async <T>(what: string, act: () => Promise<T>): Promise<T> => {
    try {
      return await client.withDeadline(Date.now() + DEADLINE_MS, act);
    } catch (error) {
      throw toFault(error, `Temporal at ${address} did not ${what}`);
    }
  };
  let isRegistered = false;
  const start = async (options: SessionStartOptions) => {
    if (!isRegistered)
      await call('start the session', () => registerSearchAttributes(connection, namespace));
    isRegistered = true;
    await call('start the session', () =>
      workflow
        .start<typeof SessionWorkflow>('SessionWorkflow', options)
        .catch(ignore(WorkflowExecutionAlreadyStartedError)),
    );
  };
  /** A workflow that is closed or does not exist needs nothing any more. */
  const toWorkflow = (
    { id, runId }: { readonly id: string; readonly runId?: string },
    what: string,
    act: (handle: WorkflowHandle) => Promise<unknown>,
  ) =>
    call(what, async () => {
      await act(workflow.getHandle(id, runId)).catch(ignore(WorkflowNotFoundError));
    });
  return {
    startSession: (session) => start(toStartOptions(session, taskQueue)),
    restartSession: (session) =>
      start({ ...toStartOptions(session, taskQueue), workflowIdReusePolicy: 'ALLOW_DUPLICATE' }),
    loseJob: (jobId, why) =>
      toWorkflow({ id: jobId }, 'end the session', (handle) => handle.signal(jobLostSignal, why)),
    terminateRun: ({ id, runId }, why) =>
      toWorkflow({ id, runId }, 'end the workflow', (handle) => handle.terminate(why)),
    cancelSession: (jobId, request) =>
      toWorkflow({ id: jobId }, 'cancel the session', (handle) =>
        handle.signal(cancelSignal, request),
      ),
    admitSession: (jobId) =>
      toWorkflow({ id: jobId }, 'admit the session', (handle) => handle.signal(admittedSignal)),
    tellWaiting: (jobId, message) =>
      toWorkflow({ id: jobId }, 'tell the session', (handle) =>
        handle.signal(waitingSignal, message),
      ),
    describeSession: (jobId) => call('describe the session', () => describeWorkflow(client, jobId)),
    describeCycle: (id) => call('describe a workflow', () => describeRunning(client, id)),
    listWaiting: () =>
      listWaiting(connection, { namespace, taskQueue }, (act) =>
        call('list the workflows that wait', act),
      ),
    scheduleSweep: (options) =>
      call('make the Schedule of the sweep', () =>
        ensureSweepSchedule(schedule, stillness, options),
      ),
    scheduleRetention: (deploymentId) =>
      call('make the Schedule of the retention', () =>
        ensureRetentionSchedule(schedule, stillness, deploymentId),
      ),
    async startCycle({ type, id, taskQueue: queue, summary, restSeconds }) {
      const startWith = (policy: 'USE_EXISTING' | 'TERMINATE_EXISTING') =>
        call(`start ${type}`, () =>
          workflow.start(type, {
            ...{ workflowId: id, taskQueue: queue, args: [], staticSummary: summary },
            workflowIdConflictPolicy: policy,
          }),
        );
      await startWith('USE_EXISTING');
      const rest = await call(`describe ${type}`, () => describeRest(client, id));
      if (stillness.isLate(id, rest, restSeconds)) await startWith('TERMINATE_EXISTING');
    },
    async startNotification({ id, jobId, sessionName, webhooks, deliveryQueue }) {
      return call('start the notification', () =>
        workflow
          .start<typeof NotificationWorkflow>('NotificationWorkflow', {
            ...{ workflowId: id, taskQueue, args: [{ jobId, webhooks, deliveryQueue }] },
            workflowIdReusePolicy: 'REJECT_DUPLICATE',
            staticSummary: cut(`tell that ${sessionName} has ended`, MAX_SUMMARY),
          })
          .then(() => true, falseIf(WorkflowExecutionAlreadyStartedError)),
      );
    },
    hasNotification: (id) =>
      call('describe the notification', () =>
        workflow
          .getHandle(id)
          .describe()
          .then(() => true, falseIf(WorkflowNotFoundError)),
      ),
    hasEndedNotification: (id) =>
      call('describe the notification', () =>
        workflow
          .getHandle(id)
          .describe()
          .then(
            ({ status }) => ['COMPLETED', 'FAILED'].includes(status.name),
            falseIf(WorkflowNotFoundError),
          ),
      ),
    async namespaceId() {
      const { namespaceInfo } = await call(`describe its namespace ${namespace}`, () =>
        connection.workflowService.describeNamespace({ namespace }),
      );
      return namespaceInfo?.id ?? '';
    },
    async check() {
      try {
        await client.withDeadline(Date.now() + 1000, () =>
          connection.workflowService.describeNamespace({ namespace }),
        );
        return true;
      } catch {
        return false;
      }
    },
    close: () => connection.close(),
  };
}

/** Returns a handler for `catch` that lets errors of this class pass. */
function ignore(known: new (...args: never[]) => Error): (error: unknown) => void {
  return (error) => {
    if (!(error instanceof known)) throw error;
  };
}

/** The same, with a result. */
function falseIf(known: new (...args: never[]) => Error): (error: unknown) => false {
  return (error) => {
    if (error instanceof known) return false;
    throw error;
  };
}

type SessionStartOptions = WorkflowStartOptions<typeof SessionWorkflow>;

function toStartOptions(
  { jobId, sessionName, configurationName, summary }: SessionStart,
  taskQueue: string,
) {
  return {
    workflowId: jobId,
    taskQueue,
    args: [{ jobId }] as [{ jobId: string }],
    workflowIdReusePolicy: 'REJECT_DUPLICATE',
    workflowIdConflictPolicy: 'FAIL',
    staticSummary: cut(summary, MAX_SUMMARY),
    typedSearchAttributes: [
      { key: searchAttributes.name, value: cut(sessionName, MAX_KEYWORD) },
      { key: searchAttributes.configuration, value: cut(configurationName, MAX_KEYWORD) },
      { key: searchAttributes.status, value: 'pending' },
    ],
  } satisfies SessionStartOptions;
}

/** Names may be longer than Temporal accepts, which must not prevent a start. */
function cut(text: string, maxBytes: number): string {
  const bytes = Buffer.from(text);
  if (bytes.length <= maxBytes) return text;
  return new TextDecoder().decode(bytes.subarray(0, maxBytes)).replace(/\uFFFD$/, '');
}

function toFault(error: unknown, what: string): ServiceError {
  const { code, details = '' } = findServerError(error) ?? {};
  const message = error instanceof Error ? error.message : String(error);
  // The client says only what it tried: "Failed to start Workflow".
  const whole = message.includes(details) ? message : `${message}: ${details}`;
  const fact = code === DEADLINE_EXCEEDED ? `no answer within ${DEADLINE_MS / 1000} s` : whole;
  const isRefusal = code !== undefined && REFUSALS.includes(code);
  return new ServiceError(isRefusal ? 'rejected' : 'unavailable', `${what}: ${fact}`, {
    cause: error,
  });
}

/** The first error of gRPC in the chain of causes. */
function findServerError(
  error: unknown,
): { readonly code: number; readonly details: string } | undefined {
  for (let cause = error; cause instanceof Error; cause = cause.cause) {
    if (isGrpcServiceError(cause)) return cause;
  }
  return undefined;
}
