import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { MockActivityEnvironment } from '@temporalio/testing';
import { openWaits } from '../../src/activities/waits.js';
import { openActivitySite, type ActivitySite } from '../support/activity-site.js';
import { aNewSession } from '../support/store-builders.js';

let site: ActivitySite;
beforeEach(async () => {
  site = await openActivitySite();
});
afterEach(() => site.close());

/** Whether a wait is shown by an attempt so long after the first one, if Temporal's clock is so far ahead of ours. */
async function isTold(aheadMs: number, afterMs: number): Promise<boolean> {
  const session = await site.store.sessions.insert(aNewSession('waiting'));
  const scheduledTimestampMs = Date.now() + aheadMs;
  const environment = new MockActivityEnvironment({
    scheduledTimestampMs,
    currentAttemptScheduledTimestampMs: scheduledTimestampMs + afterMs,
  });
  const logger = { info: () => undefined };
  await environment.run(() =>
    openWaits({ store: site.store, logger }, session).tellIfLasting('it does not answer.'),
  );
  return (await site.store.sessions.find('waiting'))?.waiting !== undefined;
}

const HOUR_MS = 3_600_000;

describe('tellIfLasting', () => {
  test.each([
    ['tells what has lasted, though our clock is far behind', HOUR_MS, 10_000, true],
    ['does not tell what has only begun, though our clock is far ahead', -HOUR_MS, 0, false],
  ])('%s', async (_title, aheadMs, afterMs, expected) => {
    expect(await isTold(aheadMs, afterMs)).toBe(expected);
  });
});
