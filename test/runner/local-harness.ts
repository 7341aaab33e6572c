import { execFileSync } from 'node:child_process';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { homedir, tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach } from '@jest/globals';
import {
  createLocalRunner,
  type LocalRunner,
  type LocalRunnerOptions,
} from '../../src/runner/local.js';
import { findJobProcesses } from '../../src/runner/process-tree.js';
import {
  aLaunch,
  aScript,
  launch,
  waitForOutput,
  type RunnerHarness,
} from '../contract/runner-jobs.js';
import { waitFor } from '../support/wait.js';

/** The interpreter itself: a shim on the path would add variables and time. */
const PYTHON = execFileSync('python3', ['-c', 'import sys; print(sys.executable)'], {
  encoding: 'utf8',
}).trim();

export interface LocalHarness extends RunnerHarness {
  readonly runner: LocalRunner;
  readonly jobsDirectory: string;
  readonly path: (jobId: string, ...names: string[]) => string;
  /** Process ids of the supervisor and of the current phase's wrapper. */
  findSupervisor(jobId: string): Promise<number>;
  findWrapper(jobId: string): Promise<number>;
}

/** Runs the repository's own `job/` in a directory that `close` removes with every job in it. */
export async function createLocalHarness(
  given: Partial<LocalRunnerOptions> = {},
): Promise<LocalHarness> {
  const jobsDirectory = await mkdtemp(join(tmpdir(), 'keelson-jobs-'));
  const runner = createLocalRunner(localOptions(jobsDirectory, given));
  const path = (jobId: string, ...names: string[]) => join(jobsDirectory, jobId, ...names);
  const findSupervisor = async (jobId: string) => {
    const text = await readFile(path(jobId, 'supervisor.json'), 'utf8');
    return (JSON.parse(text) as { pid: number }).pid;
  };
  return {
    runner,
    jobsDirectory,
    path,
    findSupervisor,
    async findWrapper(jobId) {
      const supervisor = await findSupervisor(jobId);
      const wrapper = await waitFor(
        async () => (await findJobProcesses(jobId)).find(({ parent }) => parent === supervisor),
        { what: 'a wrapper' },
      );
      return wrapper.pid;
    },
    countProcesses: async (jobId) => (await findJobProcesses(jobId)).length,
    async close() {
      const { signal } = new AbortController();
      for await (const { jobId } of runner.list(signal)) await runner.remove(jobId, signal);
      runner.close();
      await rm(jobsDirectory, { recursive: true, force: true });
    },
  };
}

export function localOptions(
  jobsDirectory: string,
  given: Partial<LocalRunnerOptions> = {},
): LocalRunnerOptions {
  return {
    jobsDirectory,
    python: PYTHON,
    jobSource: process.cwd(),
    ansiblePlaybook: join(
      process.env['KEELSON_CACHE'] ?? join(homedir(), '.cache', 'keelson'),
      'ansible/bin/ansible-playbook',
    ),
    gitProtocols: 'file',
    graceSlackSeconds: 5,
    secrets: {},
    ...given,
  };
}

/** One phase that leaves a daemon with its environment, like SSH's ControlPersist master. */
const busy = () =>
  aLaunch([
    aScript(
      'one',
      'setsid sh -c "trap \'\' TERM; sleep 1000; sleep 1000" & echo ready; sleep 1000',
    ),
    aScript('two', 'true'),
  ]);

/** Launches the job and waits until supervisor and wrapper run. */
export async function launchBusy({ runner }: LocalHarness) {
  const given = busy();
  await launch(runner, given);
  await waitForOutput(runner, given.job.jobId, 'one', 'ready');
  return given;
}

/** Opens harnesses that are closed after the test, even if it fails. */
export function useLocalHarnesses(): typeof createLocalHarness {
  const opened: LocalHarness[] = [];
  afterEach(async () => {
    for (const harness of opened.splice(0)) await harness.close();
  });
  return async (options) => {
    const harness = await createLocalHarness(options);
    opened.push(harness);
    return harness;
  };
}
