import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import type { Component, StateLayer } from '../../src/core/component.js';
import {
  desiredState,
  layerProgress,
  toDesiredLayers,
  toStatus,
} from '../../src/core/component-status.js';
import type { Layer } from '../../src/core/configuration.js';

/** Only a few values, so that state and desired layers often coincide. */
const url = fc.constantFrom('https://git/a', 'https://git/b', '');
const playbook = fc.constantFrom('site.yml', 'b.yml', '');
const commit = fc.constantFrom('a1', 'b1');
const count = fc.integer({ min: 0, max: 4 });
const optional = <T>(value: fc.Arbitrary<T>) => fc.option(value, { nil: undefined });

const known: fc.Arbitrary<StateLayer> = fc.record({
  cloneUrl: url,
  playbook,
  commit,
  status: fc.constantFrom('applied', 'failed', 'skipped', 'incomplete'),
  lastUpdated: fc.constant('2026-01-01T00:00:00Z'),
});
const component = fc
  .record({
    state: fc.array(known, { maxLength: 4 }),
    desiredConfig: optional(fc.constantFrom('', 'compute')),
    errorCount: optional(count),
    retryPolicy: optional(fc.integer({ min: -1, max: 3 })),
  })
  .map((given) => withoutAbsent({ id: 'x1', ...given }) as unknown as Component);
const layer = fc
  .record({
    cloneUrl: optional(url),
    source: optional(fc.constantFrom('a', 'unknown')),
    playbook: optional(playbook),
    commit: optional(commit),
  })
  .map((given) => withoutAbsent(given) as Layer);
const sourceUrls = new Map([['a', 'https://git/a']]);

function withoutAbsent(given: object): object {
  return Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined));
}

interface Slow {
  readonly status: string;
  readonly layers: readonly string[];
}

/** The tables of the contract, row by row: written to be read, not to be fast. */
function decideSlowly(
  { state, desiredConfig, errorCount, retryPolicy }: Component,
  layers: readonly Layer[] | undefined,
  defaultPlaybook: string,
  defaultRetries: number,
): Slow {
  const retries = retryPolicy ?? defaultRetries;
  const maxed = retries !== -1 && (errorCount ?? 0) >= retries;
  const statuses = (layers ?? []).map((wanted) => {
    const cloneUrl = wanted.source === undefined ? wanted.cloneUrl : sourceUrls.get(wanted.source);
    const name = wanted.playbook || defaultPlaybook;
    if (!cloneUrl || !wanted.commit || !name) return 'unconfigured';
    for (const has of state) {
      if (has.cloneUrl !== cloneUrl || has.playbook !== name || has.commit !== wanted.commit) {
        continue;
      }
      if (has.status === 'failed') return maxed ? 'failed' : 'pending';
      if (has.status === 'incomplete') return 'pending';
      return 'configured';
    }
    return 'pending';
  });
  const decide = () => {
    if (desiredConfig === undefined) return 'config_deprecated';
    if (layers === undefined) return state.length === 0 ? 'unconfigured' : 'configured';
    for (const worst of ['unconfigured', 'failed', 'pending'] as const) {
      if (!statuses.includes(worst)) continue;
      return worst === 'pending' && maxed ? 'failed' : worst;
    }
    return 'configured';
  };
  return { status: decide(), layers: statuses };
}

describe('the status of a component', () => {
  test('is what the tables say, whatever is known and wanted', () => {
    const everything = [
      component,
      fc.option(fc.array(layer, { maxLength: 4 }), { nil: undefined }),
      fc.constantFrom('site.yml', 'b.yml', ''),
      fc.integer({ min: -1, max: 3 }),
    ] as const;
    fc.assert(
      fc.property(...everything, (given, layers, defaultPlaybook, retries) => {
        const slow = decideSlowly(given, layers, defaultPlaybook, retries);
        const desired = layers && toDesiredLayers({ layers }, { defaultPlaybook, sourceUrls });
        expect(toStatus(given, layerProgress(given, desired), retries)).toBe(slow.status);
        expect(desiredState(given, desired ?? [], retries).map(({ status }) => status)).toEqual(
          slow.layers,
        );
      }),
      { numRuns: 2_000 },
    );
  });
});
