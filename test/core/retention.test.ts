import { describe, expect, test } from '@jest/globals';
import { planRetention } from '../../src/core/retention.js';

const NOW = '2026-03-01T12:00:00.000Z';

describe('planRetention', () => {
  test.each([
    ['30m', '2026-03-01T11:30:00.000Z'],
    ['1H', '2026-03-01T11:00:00.000Z'],
    ['7d', '2026-02-22T12:00:00.000Z'],
    ['2W', '2026-02-15T12:00:00.000Z'],
    ['0m', NOW],
    ['', undefined],
    ['999999999w', undefined],
  ])('lets sessions expire after %j, counted back from now', (sessionTtl, expiredUntil) => {
    expect(planRetention({ sessionTtl, logStoreMaxBytes: 0 }, NOW)).toEqual({
      deletedUntil: '2026-03-01T11:50:00.000Z',
      ...(expiredUntil === undefined ? {} : { expiredUntil }),
    });
  });

  test('limits the logs unless the option is 0', () => {
    expect(planRetention({ sessionTtl: '', logStoreMaxBytes: 5 }, NOW).maxLogBytes).toBe(5);
  });
});
