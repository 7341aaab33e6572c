import { describe, expect, test } from '@jest/globals';
import { listMoves, toApplied, toApplyName } from '../../src/core/apply.js';
import { toCheck } from '../../src/core/check-mode.js';
import { toRetried } from '../../src/core/retry.js';
import type { Snapshot } from '../../src/core/session.js';
import { aLayer, aRepository, aRequest, aSnapshot } from '../support/session-builders.js';

const [a, b] = ['1', '2'].map((digit) => digit.repeat(40));

test.each([
  ['look', 'look-apply'],
  ['a'.repeat(45), `${'a'.repeat(39)}-apply`],
  [`${'a'.repeat(38)}.bc`, `${'a'.repeat(38)}-apply`],
])('toApplyName(%s)', (name, expected) => {
  expect(toApplyName(name)).toBe(expected);
});

describe('toApplied', () => {
  test('is the request from before it was made a check', () => {
    const asked = aRequest({
      ...{ name: 'look', ansiblePassthrough: '-e "a=b c"', tags: { owner: 'ann' } },
      ...{ ansibleLimit: 'x1', debugOnFailure: true },
    });
    const check = toRetried(toCheck(asked), 'again');
    expect(check).toMatchObject({ checkMode: true, retryOf: 'look' });
    expect(toApplied(check, 'real')).toEqual({ ...asked, name: 'real', applyOf: 'again' });
  });

  test('is retried as a session that does not apply a check', () => {
    const applied = toApplied(toCheck(aRequest({ name: 'look' })), 'real');
    expect(toRetried(applied, 'more')).toEqual(aRequest({ name: 'more', retryOf: 'real' }));
  });
});

describe('listMoves', () => {
  const layers = [aLayer({ name: 'base' }), aLayer({ index: 2, playbook: '' })];
  const checked = aSnapshot({ layers });
  const withInventory = (commit?: string): Partial<Snapshot> => ({
    layers,
    additionalInventory: aRepository('hosts', commit),
  });

  test('is empty if the same would run, whatever else has changed', () => {
    const now = aSnapshot({
      layers,
      tenant: 'blue',
      limits: { ...checked.limits, phaseSeconds: 7 },
    });
    expect(listMoves(checked, now)).toEqual([]);
    expect(listMoves(aSnapshot(withInventory()), aSnapshot(withInventory()))).toEqual([]);
  });

  const site = (index: number, commit: string | undefined) =>
    `site.yml of https://git.example.org/layer${index}.git at ${commit}`;

  test.each<[string, Partial<Snapshot>, string]>([
    [
      'a commit',
      { layers: [aLayer({ repository: aRepository('layer0', b) }), ...layers.slice(1)] },
      `layer 0 (base) was ${site(0, a)} and is ${site(0, b)}`,
    ],
    [
      'the default playbook',
      { layers, options: { ...checked.options, defaultPlaybook: 'all.yml' } },
      `layer 2 was ${site(2, a)} and is ${site(2, a).replace('site', 'all')}`,
    ],
    ['a layer less', { layers: layers.slice(0, 1) }, `layer 2 was ${site(2, a)} and is not there`],
    [
      'a layer more',
      { layers: [...layers, aLayer({ index: 3 })] },
      `layer 3 was not there and is ${site(3, a)}`,
    ],
    [
      'an inventory',
      withInventory(),
      `the additional inventory was not there and is https://git.example.org/hosts.git at ${a}`,
    ],
    [
      'a configuration of the name of a debug playbook',
      { layers, debugPlaybook: 'noop' },
      'configuration compute-v3 is a different one',
    ],
  ])('names %s', (_, now, move) => {
    expect(listMoves(checked, aSnapshot(now))).toEqual([move]);
  });

  test('names the commit of the inventory, and every layer whose place another one has taken', () => {
    const [before, now] = [aSnapshot(withInventory()), aSnapshot(withInventory(b))];
    expect(listMoves(before, now)).toEqual([
      expect.stringMatching(/^the additional inventory was .* at 1+ and is .* at 2+$/),
    ]);
    expect(listMoves(checked, aSnapshot({ layers: layers.toReversed() }))).toHaveLength(2);
  });
});
