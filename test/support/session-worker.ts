import { randomBytes } from 'node:crypto';
import { fileURLToPath } from 'node:url';
import { heartbeat } from '@temporalio/activity';
import type { WorkflowHandle } from '@temporalio/client';
import { NativeConnection, Worker } from '@temporalio/worker';
import { createFaultTranslation } from '../../src/activities/failure.js';
import type { Activities, CancelInput, OutcomeInput } from '../../src/activities/index.js';
import type { PhaseResult } from '../../src/core/job.js';
import type { PhaseReturn } from '../../src/core/progress.js';
import type { Outcome } from '../../src/core/session.js';
import type { SessionWorkflow } from '../../src/workflows/index.js';
import type { TestTemporal } from './temporal.js';

export const BUNDLE = fileURLToPath(new URL('../../dist/workflow-bundle.js', import.meta.url));

export const exited = (exitCode: number): PhaseResult => ({
  kind: 'exited',
  exitCode,
  startedAt: '2026-01-01T00:00:00.000Z',
  endedAt: '2026-01-01T00:00:01.000Z',
});

export const noHosts = { hosts: 0, failedHosts: 0, unreachableHosts: 0 };

/** A record and a job in memory, behind the activities that the workflow sees. Each test replaces what it is about. */
export function aSession(replaced: (session: SessionScript) => Partial<Activities> = () => ({})) {
  const session = new SessionScript();
  return Object.assign(session, { activities: { ...session.activities, ...replaced(session) } });
}

export class SessionScript {
  readonly calls: string[] = [];
  readonly cancels: CancelInput[] = [];
  outcomes: OutcomeInput[] = [];
  outcome: Outcome = { succeeded: 'true' };
  /** What the record says of the job when a cancel is noted. */
  launched = false;
  private stopped: (() => void) | undefined;
  /** Resolves when `stopJob` has been called. */
  readonly whenStopped = new Promise<void>((resolve) => {
    this.stopped = resolve;
  });

  readonly activities: Activities = {
    claimSession: this.log('claimSession', () => ({
      kind: 'go' as const,
      launched: false,
      sessionName: 'a',
      configurationName: 'c',
    })),
    resolveConfiguration: this.log('resolveConfiguration', () => ({
      phases: [
        {
          name: 'git-clone-0',
          kind: 'git-clone' as const,
          title: 'git-clone-0: file:///r 12345678',
        },
        { name: 'inventory', kind: 'inventory' as const, title: 'inventory: dynamic' },
        { name: 'ansible-0', kind: 'ansible' as const, title: 'ansible-0: site.yml' },
      ],
    })),
    stageImages: this.log('stageImages', () => ({ staged: true, imageIds: ['i', 'j'] })),
    awaitImage: this.log('awaitImage', () => undefined),
    stageInventory: this.log('stageInventory', () => undefined),
    launchJob: this.log('launchJob', () => ({ launched: true })),
    gitClone: this.log('gitClone', () => success),
    gitCloneHosts: this.log('gitCloneHosts', () => success),
    inventory: this.log('inventory', () => success),
    ansible: this.log('ansible', () => success),
    teardown: this.log('teardown', () => success),
    noteCancel: this.log('noteCancel', (input: CancelInput) => {
      this.cancels.push(input);
      this.outcome = { succeeded: 'false', reason: 'CANCELLED', message: 'Cancelled' };
      return { launched: this.launched };
    }),
    stopJob: this.log('stopJob', () => this.stopped?.()),
    discardImages: this.log('discardImages', () => undefined),
    removeImageKey: this.log('removeImageKey', () => undefined),
    removeStagedFiles: this.log('removeStagedFiles', () => undefined),
    recordOutcome: this.log('recordOutcome', (input: OutcomeInput) => {
      this.outcomes.push(input);
      return input.failure === undefined
        ? this.outcome
        : {
            succeeded: 'false' as const,
            reason: input.failure.reason ?? 'INTERNAL',
            message: input.failure.message,
          };
    }),
  };

  log<I, O>(name: string, act: (input: I) => O | Promise<O>): (input: I) => Promise<O> {
    return async (input) => {
      this.calls.push(name);
      return act(input);
    };
  }
}

const success: PhaseReturn = { result: exited(0), hosts: noHosts };

/** Sends heartbeats until the work is done, as an observer does. */
export async function beating<T>(work: Promise<T>): Promise<T> {
  heartbeat();
  const timer = setInterval(heartbeat, 200);
  try {
    return await work;
  } finally {
    clearInterval(timer);
  }
}

export async function runSession(
  temporal: TestTemporal,
  session: SessionScript,
  during: (handle: SessionHandle) => Promise<void> = () => Promise.resolve(),
) {
  const jobId = `cfs-test-${randomBytes(6).toString('hex')}`;
  const connection = await NativeConnection.connect({ address: temporal.address });
  try {
    const worker = await Worker.create({
      connection,
      taskQueue: jobId,
      workflowBundle: { codePath: BUNDLE },
      activities: session.activities,
      interceptors: { activity: [createFaultTranslation()] },
    });
    return await worker.runUntil(async () => {
      const handle = await temporal.client.workflow.start<typeof SessionWorkflow>(
        'SessionWorkflow',
        {
          workflowId: jobId,
          taskQueue: jobId,
          args: [{ jobId }],
        },
      );
      await during(handle);
      const end = await handle.result().then(
        (result) => ({ result, error: undefined }),
        (error: unknown) => ({ result: undefined, error }),
      );
      return { ...end, handle, status: (await handle.describe()).status.name };
    });
  } finally {
    await connection.close();
  }
}

export type SessionHandle = WorkflowHandle<typeof SessionWorkflow>;
