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

/** Since when a wait is shown by an attempt so long after the first one, if Temporal's clock is so far ahead of ours. */
async function tell(aheadMs: number, afterMs: number): Promise<string | undefined> {
  const session = await site.store.sessions.insert(aNewSession('waiting'));
  const scheduledTimestampMs = Date.now() + aheadMs;
  const environment = new MockActivityEnvironment({
    scheduledTimestampMs,
    currentAttemptScheduledTimestampMs: scheduledTimestampMs + afterMs,
  });
  const logger = { info: () => undefined };
  const shared = { store: site.store, logger, now: () => NOW };
  await environment.run(() => openWaits(shared, session).tellIfLasting('it does not answer.'));
  return (await site.store.sessions.find('waiting'))?.waiting?.since;
}

const NOW = '2026-01-02T03:04:05.000Z';

const HOUR_MS = 3_600_000;

describe('tellIfLasting', () => {
  test.each([
    [
      'tells what has lasted, by the clock of all other times, though ours is far behind',
      ...[HOUR_MS, 10_000, '2026-01-02T03:03:55.000Z'],
    ] as const,
    [
      'does not tell what has only begun, though our clock is far ahead',
      ...[-HOUR_MS, 0, undefined],
    ] as const,
  ])('%s', async (_title, aheadMs, afterMs, expected) => {
    expect(await tell(aheadMs, afterMs)).toBe(expected);
  });
});
