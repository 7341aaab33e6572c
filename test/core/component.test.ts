import { describe, expect, test } from '@jest/globals';
import {
  splitCommit,
  type Component,
  type ComponentPatch,
  type LayerReport,
  type LayerResult,
  type StateLayer,
} from '../../src/core/component.js';
import { newComponent, patchComponent } from '../../src/core/component-change.js';
import {
  desiredState,
  layerProgress,
  toDesiredLayers,
  toStatus,
} from '../../src/core/component-status.js';

const BEFORE = '2026-01-01T00:00:00Z';
const NOW = '2026-01-02T03:04:05.678Z';
const AT = '2026-01-02T03:04:05Z';
const one = { cloneUrl: 'https://git/a.git', playbook: 'site.yml', commit: 'a1' };
const two = { cloneUrl: 'https://git/b.git', playbook: 'site.yml', commit: 'b1' };

function report(status: LayerResult, layer: Omit<LayerReport, 'status'> = one): LayerReport {
  return { ...layer, sessionName: 's', status };
}

function known(status: LayerResult, layer: Omit<LayerReport, 'status'> = one): StateLayer {
  return { ...report(status, layer), lastUpdated: BEFORE };
}

function aComponent(given: Partial<Component> = {}): Component {
  return { id: 'x1', state: [], desiredConfig: 'compute', ...given };
}

describe('toStatus', () => {
  test.each<[string, Partial<Component>, string]>([
    ['nothing done', {}, 'pending'],
    ['all applied', { state: [known('applied'), known('applied', two)] }, 'configured'],
    ['skipped counts', { state: [known('skipped'), known('applied', two)] }, 'configured'],
    ['incomplete does not', { state: [known('incomplete'), known('applied', two)] }, 'pending'],
    ['another commit', { state: [known('applied', { ...one, commit: 'a0' })] }, 'pending'],
    ['failed once', { state: [known('failed')], errorCount: 1 }, 'pending'],
    ['failed too often', { state: [known('failed')], errorCount: 3 }, 'failed'],
    ['errors before anything', { errorCount: 3 }, 'failed'],
    ['retried for ever', { errorCount: 99, retryPolicy: -1 }, 'pending'],
    ['own policy', { errorCount: 1, retryPolicy: 1 }, 'failed'],
    ['never tried', { retryPolicy: 0 }, 'failed'],
    [
      'errors of old',
      { state: [known('applied'), known('applied', two)], errorCount: 9 },
      'configured',
    ],
  ])('%s', (_, given, expected) => {
    const component = aComponent(given);
    expect(toStatus(component, layerProgress(component, [one, two]), 3)).toBe(expected);
  });

  test.each([
    ['no layers', aComponent({ errorCount: 9 }), [], 'configured'],
    ['a layer without commit', aComponent(), [one, { ...two, commit: undefined }], 'unconfigured'],
    ['no such configuration', aComponent(), undefined, 'unconfigured'],
    [
      'no such configuration any more',
      aComponent({ state: [known('failed')] }),
      undefined,
      'configured',
    ],
    ['none wanted', { id: 'x1', state: [known('applied')] }, undefined, 'config_deprecated'],
  ])('%s', (_, component, layers, expected) => {
    const desired = layers?.map(({ commit, ...layer }) =>
      commit === undefined ? layer : { ...layer, commit },
    );
    expect(toStatus(component, layerProgress(component, desired), 3)).toBe(expected);
  });
});

describe('desiredState', () => {
  test('gives the status of each layer', () => {
    const three = { cloneUrl: 'https://git/c.git', playbook: 'site.yml' };
    const component = aComponent({
      state: [known('failed'), known('applied', two)],
      errorCount: 3,
    });
    const layers = desiredState(component, [one, two, three, { ...one, commit: 'a2' }], 3);
    expect(layers).toEqual([
      { ...one, status: 'failed' },
      { ...two, status: 'configured' },
      { ...three, status: 'unconfigured' },
      { ...one, commit: 'a2', status: 'pending' },
    ]);
  });
});

describe('toDesiredLayers', () => {
  test('fills in the URL of a source and the default playbook', () => {
    const layers = [
      { source: 'site', commit: 'a1', playbook: 'own.yml' },
      { source: 'gone', commit: 'a1', playbook: '' },
      { cloneUrl: 'https://git/b.git', branch: 'main', name: 'b' },
      { cloneUrl: 'https://git/c.git', source: '', commit: 'c1' },
    ];
    const sourceUrls = new Map([['site', 'https://git/a.git']]);
    expect(toDesiredLayers({ layers }, { defaultPlaybook: 'site.yml', sourceUrls })).toEqual([
      { source: 'site', cloneUrl: 'https://git/a.git', playbook: 'own.yml', commit: 'a1' },
      { source: 'gone', playbook: 'site.yml', commit: 'a1' },
      { cloneUrl: 'https://git/b.git', branch: 'main', name: 'b', playbook: 'site.yml' },
      { cloneUrl: 'https://git/c.git', source: '', playbook: 'site.yml', commit: 'c1' },
    ]);
  });
});

describe('newComponent', () => {
  test('stamps layers, and counts errors anew for a new desired configuration', () => {
    expect(newComponent({ id: 'x1', state: [report('applied')] }, NOW)).toEqual({
      id: 'x1',
      state: [{ ...report('applied'), lastUpdated: AT }],
    });
    const appended = { id: 'x1', state: [report('failed')], stateAppend: [report('applied')] };
    expect(newComponent(appended, NOW).state).toEqual([{ ...report('applied'), lastUpdated: AT }]);
    expect(newComponent({ id: 'x1', desiredConfig: 'a' }, NOW)).toMatchObject({ errorCount: 0 });
    expect(newComponent({ id: 'x1', state: [], errorCount: 2 }, NOW)).toMatchObject({
      errorCount: 2,
    });
  });
});

describe('patchComponent', () => {
  const stored = aComponent({
    state: [known('failed'), known('applied', two)],
    errorCount: 2,
    enabled: false,
    tags: { a: '1', b: '2' },
  });

  test.each<[string, ComponentPatch, Partial<Component>]>([
    ['nothing', {}, {}],
    ['one member', { enabled: true }, { enabled: true }],
    [
      'another configuration',
      { desiredConfig: 'login' },
      { desiredConfig: 'login', errorCount: 0 },
    ],
    [
      'another, with a count',
      { desiredConfig: 'login', errorCount: 5 },
      { desiredConfig: 'login', errorCount: 5 },
    ],
    ['from the start', { state: [] }, { state: [], errorCount: 0 }],
    [
      'layers, of which one is no news',
      { state: [report('applied', two), report('applied')] },
      { state: [known('applied', two), { ...report('applied'), lastUpdated: AT }] },
    ],
    ['tags, one of them empty', { tags: { b: '', c: '3' } }, { tags: { a: '1', c: '3' } }],
    [
      'a report in place of the old one, and last',
      { stateAppend: [report('applied', { ...one, commit: 'a2' })] },
      {
        state: [
          known('applied', two),
          { ...report('applied', { ...one, commit: 'a2' }), lastUpdated: AT },
        ],
      },
    ],
    [
      'a report on top of new layers',
      { state: [report('skipped', two)], stateAppend: [report('failed')], addErrors: 1 },
      {
        state: [
          { ...report('skipped', two), lastUpdated: AT },
          { ...report('failed'), lastUpdated: AT },
        ],
        errorCount: 3,
      },
    ],
  ])('%s', (_, patch, changed) => {
    expect(patchComponent(stored, patch, NOW)).toEqual({ ...stored, ...changed });
  });

  test('makes tags where there were none', () => {
    expect(patchComponent({ id: 'x1', state: [] }, {}, NOW)).toEqual({
      id: 'x1',
      state: [],
      tags: {},
    });
  });
});

describe('splitCommit', () => {
  test.each<[string, LayerResult | undefined, object]>([
    ['a1', undefined, { commit: 'a1', status: 'applied' }],
    ['a1', 'skipped', { commit: 'a1', status: 'skipped' }],
    ['a1_incomplete', undefined, { commit: 'a1', status: 'incomplete' }],
    ['a1_failed', 'applied', { commit: 'a1', status: 'applied' }],
  ])('%s, %s', (text, status, expected) => {
    expect(splitCommit(text, status)).toEqual(expected);
  });

  test.each(['a_b_failed', 'a1_done', 'a1_'])('%s is refused', (text) => {
    expect(() => splitCommit(text)).toThrow('must end in one of');
  });
});
