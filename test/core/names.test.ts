import { describe, expect, test } from '@jest/globals';
import { toJobId, toMachineQueue, toTaskQueue } from '../../src/core/names.js';

describe('toJobId', () => {
  test('joins name and suffix', () => {
    expect(toJobId('nightly', '0123abcd')).toBe('cfs-nightly-0123abcd');
  });

  test('keeps the longest v3 name whole', () => {
    const name = 'a'.repeat(45);

    expect(toJobId(name, '0123abcd')).toBe(`cfs-${name}-0123abcd`);
  });

  test('cuts a long name to 63 characters in all', () => {
    const id = toJobId('b'.repeat(200), '0123abcd');

    expect(id).toHaveLength(63);
    expect(id).toBe(`cfs-${'b'.repeat(50)}-0123abcd`);
  });

  test.each(['-', '.', '.-.'])('ends a cut name in a letter or digit, not in "%s"', (end) => {
    const kept = 'c'.repeat(50 - end.length);

    expect(toJobId(`${kept}${end}more`, '0123abcd')).toBe(`cfs-${kept}-0123abcd`);
  });
});

describe('toTaskQueue, toMachineQueue', () => {
  test('name the queues as operators see them', () => {
    expect(toTaskQueue('0123abcd')).toBe('keelson-0123abcd');
    expect(toMachineQueue('6f0e')).toBe('host-6f0e');
  });
});
