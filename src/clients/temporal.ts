import {
  Client,
  Connection,
  isGrpcServiceError,
  WorkflowExecutionAlreadyStartedError,
  WorkflowNotFoundError,
  type TLSConfig,
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
import { describeRunning, describeWorkflow, listWaiting } from './temporal-state.js';
import { registerSearchAttributes } from './temporal-setup.js';

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
}

/** Connects lazily, so that the API can start and record sessions before Temporal answers. */
export function createOrchestrator({
  address,
  namespace,
  taskQueue,
  tls,
}: OrchestratorOptions): Orchestrator {
  const connection = Connection.lazy({ address, tls: tls ?? false });
  const client = new Client({ connection, namespace });
  const call = <T>(act: () => Promise<T>) => withDeadline(client, act);
  const fail = (error: unknown, what: string) =>
    toFault(error, `Temporal at ${address} did not ${what}`);
  let isRegistered = false;
  const start = async (options: SessionStartOptions) => {
    try {
      if (!isRegistered) await call(() => registerSearchAttributes(connection, namespace));
      isRegistered = true;
      await call(() => client.workflow.start<typeof SessionWorkflow>('SessionWorkflow', options));
    } catch (error) {
      if (!(error instanceof WorkflowExecutionAlreadyStartedError))
        throw fail(error, 'start the session');
    }
  };
  /** Ignores that the workflow is closed or does not exist: then there is nothing left to signal. */
  const tell = async (what: string, signal: () => Promise<void>) => {
    try {
      await call(signal);
    } catch (error) {
      if (!(error instanceof WorkflowNotFoundError)) throw fail(error, what);
    }
  };
  return {
    startSession: (session) => start(toStartOptions(session, taskQueue)),
    restartSession: (session) =>
      start({
        ...toStartOptions(session, taskQueue),
        workflowIdReusePolicy: 'ALLOW_DUPLICATE',
      }),
    loseJob: (jobId, why) =>
      tell('end the session', () => client.workflow.getHandle(jobId).signal(jobLostSignal, why)),
    terminateSession: (jobId, why) =>
      tell('end the workflow', async () => {
        await client.workflow.getHandle(jobId).terminate(why);
      }),
    describeSession: (jobId) =>
      call(() => describeWorkflow(client, jobId)).catch((error: unknown) => {
        throw fail(error, 'describe the session');
      }),
    describeCycle: (id) =>
      call(() => describeRunning(client, id)).catch((error: unknown) => {
        throw fail(error, 'describe a workflow');
      }),
    listWaiting: () =>
      listWaiting(connection, { namespace, taskQueue }, call).catch((error: unknown) => {
        throw fail(error, 'list the workflows that wait');
      }),
    async scheduleSweep(schedule) {
      try {
        await call(() => ensureSweepSchedule(client.schedule, schedule));
      } catch (error) {
        throw fail(error, 'make the Schedule of the sweep');
      }
    },
    async scheduleRetention(deploymentId) {
      try {
        await call(() => ensureRetentionSchedule(client.schedule, deploymentId));
      } catch (error) {
        throw fail(error, 'make the Schedule of the retention');
      }
    },
    async startCycle({ type, id, taskQueue, summary }) {
      try {
        await call(() =>
          client.workflow.start(type, {
            ...{ workflowId: id, taskQueue, args: [], staticSummary: summary },
            workflowIdConflictPolicy: 'USE_EXISTING',
          }),
        );
      } catch (error) {
        throw fail(error, `start ${type}`);
      }
    },
    async startNotification({ id, jobId, sessionName, webhooks, deliveryQueue }) {
      try {
        await call(() =>
          client.workflow.start<typeof NotificationWorkflow>('NotificationWorkflow', {
            ...{ workflowId: id, taskQueue, args: [{ jobId, webhooks, deliveryQueue }] },
            workflowIdReusePolicy: 'REJECT_DUPLICATE',
            staticSummary: cut(`tell that ${sessionName} has ended`, MAX_SUMMARY),
          }),
        );
      } catch (error) {
        if (!(error instanceof WorkflowExecutionAlreadyStartedError))
          throw fail(error, 'start the notification');
      }
    },
    async namespaceId() {
      try {
        const { namespaceInfo } = await call(() =>
          connection.workflowService.describeNamespace({ namespace }),
        );
        return namespaceInfo?.id ?? '';
      } catch (error) {
        throw fail(error, `describe its namespace ${namespace}`);
      }
    },
    cancelSession: (jobId, request) =>
      tell('cancel the session', () =>
        client.workflow.getHandle(jobId).signal(cancelSignal, request),
      ),
    admitSession: (jobId) =>
      tell('admit the session', () => client.workflow.getHandle(jobId).signal(admittedSignal)),
    tellWaiting: (jobId, message) =>
      tell('tell the session', () =>
        client.workflow.getHandle(jobId).signal(waitingSignal, message),
      ),
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

/** Without a deadline a call could wait forever, because the client repeats calls that Temporal refuses under load. */
function withDeadline<T>(client: Client, act: () => Promise<T>): Promise<T> {
  return client.withDeadline(Date.now() + DEADLINE_MS, act);
}

function toFault(error: unknown, what: string): ServiceError {
  const code = findCode(error);
  const told = error instanceof Error ? error.message : String(error);
  const fact = code === DEADLINE_EXCEEDED ? `no answer within ${DEADLINE_MS / 1000} s` : told;
  const isRefusal = code !== undefined && REFUSALS.includes(code);
  return new ServiceError(isRefusal ? 'rejected' : 'unavailable', `${what}: ${fact}`, {
    cause: error,
  });
}

/** The gRPC code of the first error in the chain of causes that has one. */
function findCode(error: unknown): number | undefined {
  for (let cause = error; cause instanceof Error; cause = cause.cause) {
    if (isGrpcServiceError(cause)) return cause.code;
  }
  return undefined;
}
