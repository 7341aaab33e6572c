import { describe, expect, test } from '@jest/globals';
import type { HostResult, PhaseResult } from '../../src/core/job.js';
import { describeRetry } from '../../src/core/retry-line.js';
import {
  collectDone,
  findOpenPhase,
  isAllDone,
  planLeftOut,
  toRetryName,
  type EndedPhase,
} from '../../src/core/retry.js';
import type { DoneWork, LeftOut, Session } from '../../src/core/session.js';
import { aLayer, aRepository, aSession, aSnapshot } from '../support/session-builders.js';

const startedAt = '2026-01-01T00:00:10.000Z';
const endedAt = '2026-01-01T00:00:20.000Z';
const exited = (exitCode: number): PhaseResult => ({
  kind: 'exited',
  exitCode,
  startedAt,
  endedAt,
});
const skipped: PhaseResult = { kind: 'unstarted', reason: 'skipped', message: 'a phase failed' };

function aPhase(index: number, result: PhaseResult, more: Partial<EndedPhase> = {}): EndedPhase {
  const hasRun = result.kind !== 'unstarted';
  return {
    name: `ansible-${index}`,
    result,
    hostsFinal: hasRun,
    ...(hasRun ? { startedAt, hostsWhole: true } : {}),
    ...more,
  };
}

function aHost(host: string, result: Partial<HostResult> = {}): HostResult {
  const counts = { ok: 1, changed: 0, failed: 0, skipped: 0, unreachable: 0 };
  return { phase: 'ansible-1', host, ...counts, incomplete: false, ...result };
}

const layer = (index: number) => ({
  url: `https://git.example.org/layer${index}.git`,
  commit: '1'.repeat(40),
  playbook: 'site.yml',
});
const layers = [0, 1, 2].map((index) => aLayer({ index }));
const snapshot = aSnapshot({ layers });

const failed = (more: Partial<Session> = {}): Session => ({
  ...aSession(),
  state: 'complete',
  outcome: { succeeded: 'false', reason: 'TASK_FAILED' },
  snapshot,
  ...more,
});
const phases = [aPhase(0, exited(0)), aPhase(1, exited(2)), aPhase(2, skipped)];
const hosts = [aHost('n1'), aHost('n2', { failed: 1 }), aHost('n3', { unreachable: 1 })];

describe('collectDone', () => {
  test('has the layers that ended well, and the hosts that got through the next', () => {
    expect(findOpenPhase(failed(), phases)?.name).toBe('ansible-1');
    expect(collectDone(failed(), phases, [...hosts, aHost('n4', { incomplete: true })])).toEqual({
      layers: [layer(0)],
      partial: { layer: layer(1), hosts: ['n1'] },
    });
  });

  const none = { layers: [layer(0)] };
  test.each<[string, Partial<Session>, Partial<EndedPhase>, DoneWork]>([
    ['may have been broken off', {}, { hostsWhole: false }, none],
    ['has not told its last results', {}, { hostsFinal: false }, none],
    ['was told by a job of an older version', {}, { hostsWhole: undefined as never }, none],
    ['is one of which nobody knows how it ended', { outcome: { succeeded: 'unknown' } }, {}, none],
  ])('has no host of a layer that %s', (_what, session, phase, expected) => {
    const open = { ...phases[1], name: 'ansible-1', hostsFinal: true, ...phase };
    expect(collectDone(failed(session), [aPhase(0, exited(0)), open], hosts)).toEqual(expected);
  });

  test('has no host if there are too many to store', () => {
    const many = Array.from({ length: 25_001 }, (_, index) => aHost(`x1000${index + 10_000}`));
    expect(collectDone(failed(), phases, many)).toEqual(none);
    expect(collectDone(failed(), phases, many.slice(1))?.partial?.hosts).toHaveLength(25_000);
  });

  test('counts no layer after one that failed', () => {
    const odd = [aPhase(0, exited(2), { hostsWhole: false }), aPhase(1, exited(0))];
    expect(collectDone(failed(), odd, [])).toEqual({ layers: [] });
  });

  test('counts no layer that was run again with other files than those of its commit', () => {
    const changed = aPhase(0, exited(0), { filesChanged: true, hostsWhole: false });
    expect(collectDone(failed(), [changed, aPhase(1, exited(2))], hosts)).toEqual({ layers: [] });
  });

  test('counts nothing but what was done before if the commits are a guess', () => {
    const guess = aSnapshot({ layers, isGuess: true });
    expect(collectDone(failed({ snapshot: guess }), phases, hosts)).toBeUndefined();
    expect(collectDone(failed({ snapshot: guess, done: none }), phases, hosts)).toEqual(none);
  });

  test('fills in the playbook by default', () => {
    const without = aSnapshot({
      layers: [aLayer({ playbook: '' })],
      options: { debugWaitTime: 1, defaultPlaybook: 'default.yml' },
    });
    expect(collectDone(failed({ snapshot: without }), [aPhase(0, exited(0))], [])).toEqual({
      layers: [{ ...layer(0), playbook: 'default.yml' }],
    });
  });

  test.each<[string, Partial<Session>]>([
    ['images', { request: { ...aSession().request, target: { definition: 'image', groups: [] } } }],
    ['a passthrough', { request: { ...aSession().request, ansiblePassthrough: '--check' } }],
    ['a session that came to no plan', { snapshot: undefined as never }],
  ])('has nothing of %s', (_what, more) => {
    expect(collectDone(failed(more), phases, hosts)).toBeUndefined();
  });

  describe('of a retry', () => {
    const done: DoneWork = {
      layers: [layer(0)],
      partial: { layer: layer(1), hosts: ['n1', 'n9'] },
    };
    const retry = (leftOut: LeftOut | undefined, more: Partial<Session> = {}) =>
      failed({
        done,
        snapshot: { ...snapshot, ...(leftOut === undefined ? {} : { leftOut }) },
        ...more,
      });
    const both = { layers: 1, hosts: true };

    test('adds what it has done itself', () => {
      const own = [aPhase(1, exited(2))];
      expect(collectDone(retry(both), own, [aHost('n2'), aHost('n3', { failed: 1 })])).toEqual({
        layers: [layer(0)],
        partial: { layer: layer(1), hosts: ['n1', 'n9', 'n2'] },
      });
      const further = [aPhase(1, exited(0)), aPhase(2, exited(2))];
      expect(collectDone(retry(both), further, [aHost('n2')])).toEqual({
        layers: [layer(0), layer(1)],
        partial: { layer: layer(2), hosts: ['n2'] },
      });
    });

    test('takes the latest result of each host', () => {
      const own = [aPhase(1, exited(2))];
      expect(collectDone(retry(both), own, [aHost('n1', { failed: 1 })])?.partial?.hosts).toEqual([
        'n9',
      ]);
    });

    test('keeps what was done before if it did not reach that layer, or had no plan', () => {
      expect(collectDone(retry(both), [aPhase(1, skipped), aPhase(2, skipped)], [])).toEqual(done);
      expect(collectDone(retry(both, { snapshot: undefined as never }), [], [])).toEqual(done);
    });

    test('keeps what was done before if its job ended before that layer', () => {
      const launched = retry(both, { launchedAt: startedAt });
      expect(collectDone(launched, [aPhase(1, skipped), aPhase(2, skipped)], [])).toEqual(done);
    });

    test('keeps no host of a layer that a job may have begun unseen', () => {
      const ended = aPhase(1, { kind: 'killed', reason: 'evicted' }, { hostsFinal: false });
      delete (ended as { startedAt?: string }).startedAt;
      expect(collectDone(retry(both), [ended], [])).toEqual({ layers: [layer(0)] });
      const unseen = [{ name: 'ansible-1', hostsFinal: false }];
      expect(collectDone(retry(both), unseen, [])).toEqual(done);
      const launched = { launchedAt: startedAt };
      expect(collectDone(retry(both, launched), unseen, [])).toEqual({ layers: [layer(0)] });
    });

    test('forgets the hosts of a layer that has changed meanwhile', () => {
      const own = [aPhase(1, exited(2))];
      const hosts = [aHost('n2')];
      const { partial } = collectDone(retry({ layers: 1, hosts: false }), own, hosts) ?? {};
      expect(partial?.hosts).toEqual(['n2']);
      expect(collectDone(retry(undefined), [aPhase(0, skipped)], [])).toEqual({ layers: [] });
    });
  });
});

describe('isAllDone', () => {
  test('is true if every layer is done', () => {
    const whole = { layers: [layer(0), layer(1), layer(2)] };
    expect(isAllDone(snapshot, whole)).toBe(true);
    expect(isAllDone(aSnapshot({ layers: [aLayer()] }), { layers: [layer(0)] })).toBe(true);
    expect(isAllDone(snapshot, { layers: [layer(0)] })).toBe(false);
    expect(isAllDone(aSnapshot({ layers: [] }), { layers: [] })).toBe(false);
    expect(isAllDone(undefined, undefined)).toBe(false);
  });
});

describe('planLeftOut', () => {
  const done: DoneWork = { layers: [layer(0)], partial: { layer: layer(1), hosts: ['n1'] } };
  const at = (index: number, changes: Partial<(typeof layers)[0]> = {}) => {
    const changed = layers.map((each) => (each.index === index ? { ...each, ...changes } : each));
    return planLeftOut(done, { ...snapshot, layers: changed });
  };
  const changed = { repository: aRepository('layer0', '2'.repeat(40)) };

  test('leaves out what has not changed since it was done', () => {
    expect(at(9)).toEqual({ layers: 1, hosts: true });
  });

  test.each([
    ['commit', changed],
    ['repository', { repository: aRepository('other') }],
    ['playbook', { playbook: 'other.yml' }],
  ])('runs a layer of another %s, and all after it, on all hosts', (_what, changes) => {
    expect(at(0, changes)).toBeUndefined();
    expect(at(1, changes)).toEqual({ layers: 1, hosts: false });
    expect(at(2, changes)).toEqual({ layers: 1, hosts: true });
  });

  test('knows a layer by what it is, not by its place and name', () => {
    const moved = layers.slice(0, 2).map((each) => ({ ...each, index: each.index + 4, name: 'x' }));
    expect(planLeftOut(done, { ...snapshot, layers: moved })).toEqual({ layers: 1, hosts: true });
  });

  test('leaves nothing out if the additional inventory has changed', () => {
    const known = aRepository('inventory');
    const additional = { ...snapshot, additionalInventory: known };
    const before = collectDone(failed({ snapshot: additional }), phases, hosts);
    if (before === undefined) throw new Error('Something is done.');
    expect(planLeftOut(before, additional)).toEqual({ layers: 1, hosts: true });
    for (const now of [aRepository('inventory', '2'.repeat(40)), aRepository('other')])
      expect(planLeftOut(before, { ...snapshot, additionalInventory: now })).toBeUndefined();
    expect(planLeftOut(before, snapshot)).toBeUndefined();
    expect(planLeftOut(done, additional)).toBeUndefined();
  });

  test('leaves out every layer if the configuration has no others any more', () => {
    expect(planLeftOut(done, { ...snapshot, layers: layers.slice(0, 1) })).toEqual({
      ...{ layers: 1, hosts: false },
    });
  });
});

describe('describeRetry', () => {
  const done: DoneWork = {
    layers: [layer(0)],
    partial: { layer: layer(1), hosts: ['n1', 'n2'] },
  };
  const nothing = 'everything runs again: nothing is known to be done that lasts';
  const without = 'runs without the 2 hosts that have it';
  const again = 'so it and those after it run on all hosts';
  const whole: DoneWork = { layers: done.layers };
  const first: DoneWork = { layers: [], partial: { layer: layer(0), hosts: ['n1'] } };

  test.each<[string, DoneWork | undefined, LeftOut | undefined, string]>([
    ['nothing', undefined, undefined, nothing],
    ['nothing of what runs', { layers: [] }, undefined, nothing],
    ['a layer', whole, { layers: 1, hosts: false }, 'layer 0 is done'],
    [
      'layers',
      { layers: [layer(0), layer(1)] },
      { layers: 2, hosts: false },
      'layers 0, 1 are done',
    ],
    ['hosts of the next', done, { layers: 1, hosts: true }, `layer 0 is done; layer 1 ${without}`],
    [
      'hosts of the first',
      first,
      { layers: 0, hosts: true },
      'layer 0 runs without the 1 host that has it',
    ],
    ['a layer that has changed', done, undefined, 'everything runs again: layer 0 has changed'],
    [
      'the next, which has changed',
      done,
      { layers: 1, hosts: false },
      `layer 0 is done; layer 1 has changed, ${again}`,
    ],
    [
      'hosts by another inventory',
      { ...done, inventory: { url: 'u', commit: 'c' } },
      undefined,
      'everything runs again: the additional inventory has changed',
    ],
  ])('tells what is left out, and why not more: %s', (_what, known, leftOut, text) => {
    const request = { ...aSession().request, retryOf: 'nightly' };
    const session = { request, ...(known === undefined ? {} : { done: known }) };
    const planned = leftOut === undefined ? { layers } : { layers, leftOut };
    expect(describeRetry(session, planned)).toBe(`Retry of nightly: ${text}.`);
  });

  test('says nothing of other sessions', () => {
    expect(describeRetry({ request: aSession().request }, { layers })).toBeUndefined();
  });
});

describe('toRetryName', () => {
  test.each([
    ['nightly', 'nightly-retry-1'],
    ['nightly-retry-1', 'nightly-retry-2'],
    ['nightly-retry-9', 'nightly-retry-10'],
    ['a-retry-1-b', 'a-retry-1-b-retry-1'],
    ['a'.repeat(45), `${'a'.repeat(37)}-retry-1`],
    [`${'a'.repeat(36)}-.${'b'.repeat(7)}`, `${'a'.repeat(36)}-retry-1`],
  ])('of %s is %s', (name, expected) => {
    expect(toRetryName(name)).toBe(expected);
  });
});
