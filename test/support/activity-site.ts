import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { MockActivityEnvironment } from '@temporalio/testing';
import { DefaultLogger } from '@temporalio/worker';
import { createActivities, type Activities } from '../../src/activities/index.js';
import type { ActivityDependencies } from '../../src/activities/dependencies.js';
import { createGitClient } from '../../src/clients/git.js';
import { createOpenSource } from '../../src/process/source-access.js';
import { createInventoryFile } from '../../src/clients/inventory-file.js';
import type { PhaseResult } from '../../src/core/job.js';
import { createLocalRunner, type LocalRunner } from '../../src/runner/local.js';
import type { Runner } from '../../src/runner/runner.js';
import { openSqliteStore } from '../../src/store/database/sqlite.js';
import type { Store } from '../../src/store/store.js';

export interface LogLine {
  readonly text: string;
}

export interface ActivitySite {
  readonly store: Store;
  readonly runner: LocalRunner;
  readonly activities: Activities;
  /** What was logged. */
  readonly lines: readonly LogLine[];
  /** Runs an activity as a worker does, each attempt in a new environment. `carried` is what the previous attempt carried. */
  run<I, O>(activity: (input: I) => Promise<O>, input: I, carried?: object): Promise<O>;
  close(): Promise<void>;
}

/** The activities with a real store, git and runner. No job runs; `replace` can substitute a runner. */
export async function openActivitySite(
  replace: Partial<ActivityDependencies> = {},
): Promise<ActivitySite> {
  const directory = await mkdtemp(join(tmpdir(), 'keelson-activities-'));
  const store = await openSqliteStore({ path: join(directory, 'keelson.db') });
  const runner = createLocalRunner({
    jobsDirectory: join(directory, 'jobs'),
    python: 'python3',
    jobSource: join(import.meta.dirname, '..', '..'),
    ansiblePlaybook: 'ansible-playbook',
    gitProtocols: 'file',
    secrets: {},
  });
  const lines: LogLine[] = [];
  const activities = createActivities({
    store,
    runner,
    git: createGitClient({ protocols: 'file' }),
    openSource: createOpenSource({ store: store.sources, masterKey: Buffer.alloc(32, 1) }),
    hardware: createInventoryFile(join(directory, 'inventory.yaml')),
    toToken: (jobId) => `token-of-${jobId}`,
    now: () => new Date().toISOString(),
    logger: { info: (fields, message) => void lines.push({ ...fields, text: message }) },
    ...replace,
  });
  return {
    store,
    runner,
    activities,
    lines,
    run: (activity, input, carried) =>
      new MockActivityEnvironment(
        { heartbeatDetails: carried, currentAttemptScheduledTimestampMs: Date.now() },
        { logger: new DefaultLogger('ERROR') },
      ).run(activity, input),
    async close() {
      runner.close();
      await store.close();
      await rm(directory, { recursive: true });
    },
  };
}

/** A runner whose phases have ended as `result` and left `output`. */
export function aRunnerWith(result: PhaseResult, output: string): Runner {
  const refuse = () => Promise.reject(new Error('This runner has one phase, and it is over.'));
  return {
    prepare: refuse,
    release: refuse,
    discard: refuse,
    awaitPhase: () => Promise.resolve(result),
    async *readLog(_jobId, _phase, offset) {
      await Promise.resolve();
      yield Buffer.from(output).subarray(offset);
    },
    findResults: () => Promise.resolve(undefined),
    stop: () => Promise.resolve(),
    remove: refuse,
    find: () => Promise.resolve(undefined),
    async *list() {
      // It holds no jobs.
    },
  };
}
