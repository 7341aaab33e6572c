import { describe, expect, test } from '@jest/globals';
import type { Configuration } from '../../src/core/configuration.js';
import { DEFAULT_OPTIONS, type Options } from '../../src/core/options.js';
import { listRepositories, toSnapshot, type Basis } from '../../src/core/pin.js';
import { aRepository, aRequest, DEFAULT_TIME_LIMITS } from '../support/session-builders.js';

const layers = ['a', 'b', 'c'].map((name) => ({ name, cloneUrl: `https://git/${name}.git` }));
const own = { cloneUrl: 'https://git/own.git' };

function aBasis(
  configuration: Partial<Configuration>,
  options: Partial<Options> = {},
  configurationLimit = '',
): Basis {
  return {
    request: aRequest({ configurationName: 'three', configurationLimit }),
    configuration: { name: 'three', lastUpdated: '2026-01-01T00:00:00Z', layers, ...configuration },
    options: { ...DEFAULT_OPTIONS, ...options },
  };
}

describe('listRepositories', () => {
  test('has those of the layers that the limit selects', () => {
    const { layers: wanted } = listRepositories(aBasis({}, {}, 'c,a'));
    expect(wanted.map(({ what }) => what)).toEqual(['Layer 0 of three', 'Layer 2 of three']);
  });

  test.each<[Partial<Configuration>, Partial<Options>, string | undefined]>([
    [{}, {}, undefined],
    [{ additionalInventory: {} }, {}, undefined],
    [{ additionalInventory: own }, { additionalInventorySource: 's' }, 'inventory of three'],
    [{ additionalInventory: {} }, { additionalInventorySource: 's' }, 'inventory_source'],
    [
      {},
      { additionalInventorySource: 's', additionalInventoryUrl: 'https://git/o.git' },
      'inventory_source',
    ],
    [{}, { additionalInventoryUrl: 'https://git/o.git' }, 'inventory_url'],
  ])('%j and options %j have the inventory of %s', (configuration, options, what) => {
    const { inventory } = listRepositories(aBasis(configuration, options));
    expect(inventory?.what).toEqual(what && expect.stringContaining(what));
  });
});

describe('toSnapshot', () => {
  test('puts what was found to the layers that are selected', () => {
    const pinned = { layers: [aRepository('a'), aRepository('c')], inventory: aRepository('own') };
    const configuration = { tenantName: 'blue' };
    expect(toSnapshot(aBasis(configuration, { debugWaitTime: 7 }, 'a,c'), pinned)).toEqual({
      configurationName: 'three',
      layers: [
        { index: 0, name: 'a', repository: aRepository('a'), playbook: '' },
        { index: 2, name: 'c', repository: aRepository('c'), playbook: '' },
      ],
      additionalInventory: aRepository('own'),
      tenant: 'blue',
      options: { debugWaitTime: 7, defaultPlaybook: 'site.yml' },
      limits: DEFAULT_TIME_LIMITS,
    });
  });
});
