import { afterAll, beforeAll, describe } from '@jest/globals';
import type { Runner } from '../../src/runner/runner.js';
import { describeDelivery, describeLaunch } from './runner-contract-launch.js';
import { describeOutput, describePhases } from './runner-contract-phases.js';
import { describeProcesses, describeStop } from './runner-contract-stop.js';
import type { CreateRunner, RunnerHarness } from './runner-jobs.js';

/** What every runner promises (src/runner/runner.ts). */
export function runnerContract(name: string, create: CreateRunner): void {
  describe(`${name} runner`, () => {
    let harness: RunnerHarness;
    let runner: Runner;
    beforeAll(async () => {
      harness = await create({});
      runner = harness.runner;
    });
    afterAll(() => harness.close());

    describePhases(() => runner);
    describeOutput(() => harness);
    describeProcesses(() => harness);
    describeStop(() => harness);
    describeLaunch(() => runner);
    describeDelivery(create);
  });
}
