import { describe, expect, test } from '@jest/globals';
import { omitUndefined } from '../../src/core/omit-undefined.js';

describe('omitUndefined', () => {
  test('keeps members in order and leaves out those that are undefined', () => {
    const limit: string | undefined = undefined;
    expect(Object.entries(omitUndefined({ name: 'a', limit, note: null, count: 0 }))).toEqual([
      ['name', 'a'],
      ['note', null],
      ['count', 0],
    ]);
  });
});
