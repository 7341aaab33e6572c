import { expect, test } from '@jest/globals';

test('tests run far from UTC', () => {
  expect([-765, -825]).toContain(new Date('2026-01-01T00:00:00Z').getTimezoneOffset());
});
