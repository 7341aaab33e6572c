import { expect, test } from '@jest/globals';
import { patchSession } from '../../src/core/session-patch.js';
import { aSession } from '../support/session-builders.js';

const rules = { replacesJob: false, now: '2026-01-02T03:04:05.000Z' };

test('patchSession looks at each of many artifacts a few times, however many there are', () => {
  let looks = 0;
  const artifacts = Array.from({ length: 1_000 }, (_, index) => ({
    get image_id() {
      looks += 1;
      return `image-${index}`;
    },
    type: 'other',
  }));

  const { patched } = patchSession(aSession(), { artifacts }, rules);

  expect(patched.artifacts).toHaveLength(1_000);
  expect(looks).toBeLessThan(10_000);
});

test('patchSession adds what agrees with several artifacts, but with none in all of its members', () => {
  const first = { image_id: 'a', result_id: 'b' };
  const second = { image_id: 'c', result_id: 'd', more: { x: null } };
  const mixed = { image_id: 'a', result_id: 'd' };
  const artifacts = [
    first,
    second,
    mixed,
    { more: { x: null } },
    { result_id: 'd' },
    { more: null },
  ];

  const { patched } = patchSession(aSession(), { artifacts }, rules);

  expect(patched.artifacts).toEqual([first, second, mixed, { more: null }]);
});
