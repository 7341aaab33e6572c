import { readdirSync, readFileSync } from 'node:fs';
import { describe, expect, test } from '@jest/globals';
import { historyFromJSON } from '@temporalio/common/lib/proto-utils.js';
import { DefaultLogger, Runtime, Worker } from '@temporalio/worker';
import { BUNDLE } from '../support/session-worker.js';

const HISTORIES = new URL('../histories/', import.meta.url);

Runtime.install({ logger: new DefaultLogger('ERROR') });

describe('SessionWorkflow', () => {
  const files = readdirSync(HISTORIES).filter((name) => name.endsWith('.json'));

  test('has a stored history of every ending', () => {
    expect(files.map((name) => name.replace('.json', '')).sort()).toEqual([
      'attached',
      'cancelled-in-queue',
      'claimed-to-stop',
      'failed-phase',
      'failed-step',
      'failing-undo',
      'lost-job',
      'lost-machine',
      'native-after-launch',
      'native-before-launch',
      'queued',
      'refused-claim',
      'signal-after-launch',
      'signal-before-launch',
      'success',
    ]);
  });

  test.each(files)('replays %s without a difference', async (name) => {
    const json: unknown = JSON.parse(readFileSync(new URL(name, HISTORIES), 'utf8'));
    const workflowId = `cfs-replay-${name.replace('.json', '')}`;
    await Worker.runReplayHistory(
      { workflowBundle: { codePath: BUNDLE } },
      historyFromJSON(json),
      workflowId,
    );
  });
});
