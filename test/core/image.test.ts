import { describe, expect, test } from '@jest/globals';
import { toContainerName, toKeyName, toResultName } from '../../src/core/image.js';

const image = { id: 'i1', name: 'compute-1.2' };

describe('toResultName', () => {
  test('is the name in image_map, or else made of both names', () => {
    const map = [
      { sourceId: 'i2', resultName: 'other' },
      { sourceId: 'i1', resultName: 'mine' },
    ];
    expect(toResultName(image, 's', map)).toBe('mine');
    expect(toResultName(image, 's', [])).toBe('compute-1.2_cfs_s');
    expect(toResultName(image, 's')).toBe('compute-1.2_cfs_s');
  });
});

test('names of what is made in IMS identify its owner', () => {
  expect(toKeyName('s', 'cfs-s-0123abcd', 'deadbeef')).toBe('cfs_s_cfs-s-0123abcd_deadbeef');
  expect(toContainerName('cfs-s-0123abcd', 'deadbeef')).toBe('cfs-s-0123abcd.deadbeef');
});
