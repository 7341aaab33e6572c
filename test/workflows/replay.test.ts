import { describe, expect, test } from '@jest/globals';
import { DefaultLogger, Runtime, Worker } from '@temporalio/worker';
import { CURRENT, listHistories, readHistory } from '../support/histories.js';
import { BUNDLE } from '../support/session-worker.js';

Runtime.install({ logger: new DefaultLogger('ERROR') });

describe('the workflows', () => {
  const histories = listHistories();

  test('have a stored history of every ending', () => {
    const current = histories.filter((name) => name.startsWith(`${CURRENT}/`));
    expect(current.map((name) => name.replace(`${CURRENT}/`, ''))).toEqual([
      'attached',
      'cancelled-in-queue',
      'claimed-to-stop',
      'failed-phase',
      'failed-step',
      'failing-undo',
      'images',
      'images-cancelled',
      'images-failed',
      'images-not-there',
      'lost-job',
      'lost-machine',
      'lost-machine-in-undo',
      'native-after-launch',
      'native-before-launch',
      'notification/told',
      'notification/undelivered',
      'queued',
      'refused-claim',
      'retention/removed',
      'set-back',
      'signal-after-launch',
      'signal-before-launch',
      'success',
    ]);
  });

  test.each(histories)('replay %s without a difference', async (name) => {
    const workflowId = `cfs-replay-${name.replaceAll('/', '-')}`;
    await Worker.runReplayHistory(
      { workflowBundle: { codePath: BUNDLE } },
      readHistory(name),
      workflowId,
    );
  });
});
