import { fileURLToPath } from 'node:url';
import { describe, expect, test } from '@jest/globals';
import { bundleWorkflowCode, DefaultLogger, Runtime, Worker } from '@temporalio/worker';
import { CURRENT, readHistory } from '../support/histories.js';

const logger = new DefaultLogger('ERROR');
Runtime.install({ logger });

/** History of a session that began and ended before the workflow was changed. */
async function replayBy(change: 'patched' | 'unpatched'): Promise<void> {
  const source = new URL(`../fixtures/changed-workflow/${change}.ts`, import.meta.url);
  const workflowBundle = await bundleWorkflowCode({ workflowsPath: fileURLToPath(source), logger });
  await Worker.runReplayHistory({ workflowBundle }, readHistory(`${CURRENT}/success`), 'cfs-old');
}

describe('a workflow with one more activity', () => {
  test('replays earlier sessions if the activity is behind `patched`', async () => {
    await replayBy('patched');
  });

  test('breaks them if it is not', async () => {
    await expect(replayBy('unpatched')).rejects.toMatchObject({
      name: 'DeterminismViolationError',
    });
  });
});
