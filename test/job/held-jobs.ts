import { afterEach } from '@jest/globals';
import type { ChildProcess } from 'node:child_process';
import { exitOf, TOKEN, type TestJob } from './harness.js';
import { startPhaseApi, type PhaseApi } from './phase-api.js';

/** Seconds that no test waits for. */
export const LONG = 3600;

/** What tests of holds start. Ended after each test: first the phases, which still ask their API. */
export function useHeldJobs() {
  const jobs: TestJob[] = [];
  const running: ChildProcess[] = [];
  const apis: PhaseApi[] = [];
  afterEach(async () => {
    for (const child of running.splice(0)) {
      child.kill('SIGTERM');
      await exitOf(child);
    }
    for (const api of apis.splice(0)) await api.close();
    jobs.splice(0).forEach((job) => job.remove());
  });
  return {
    jobs,
    running,
    anApi: async (): Promise<PhaseApi> => {
      const api = await startPhaseApi(TOKEN);
      apis.push(api);
      return api;
    },
  };
}
