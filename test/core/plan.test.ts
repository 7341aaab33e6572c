import { describe, expect, test } from '@jest/globals';
import { planJob, selectLayers, toPhaseSubject, toPhaseTitle } from '../../src/core/plan.js';
import type { AnsiblePhase } from '../../src/core/job.js';
import type { Session, Snapshot } from '../../src/core/session.js';
import { readFixture } from '../support/fixture.js';
import {
  aLayer,
  aRepository,
  aSession,
  aSnapshot,
  DEFAULT_TIME_LIMITS,
} from '../support/session-builders.js';

const layers = [
  { name: 'base' },
  { name: 'layer1' },
  { name: 'layer10' },
  {},
  { name: '2' },
  { name: 'Nœud größe ノード' },
  { name: 'base' },
  { name: '2026' },
];

function planPlaybooks(session: Session, snapshot: Snapshot): readonly AnsiblePhase[] {
  return planJob(session, snapshot).phases.filter((phase) => phase.kind === 'ansible');
}

describe('selectLayers', () => {
  test.each<[string, string, readonly number[]]>([
    ['takes all without a limit', '', [0, 1, 2, 3, 4, 5, 6, 7]],
    ['takes a blank limit for none', '  ', [0, 1, 2, 3, 4, 5, 6, 7]],
    ['takes every layer of a name', 'base', [0, 6]],
    ['takes names whole, not as parts of others', 'layer1', [1]],
    ['takes a longer name without the one it contains', 'layer10', [2]],
    ['takes indexes', '3', [3]],
    ['takes an index before a name of the same text', '2', [2]],
    ['takes a name that is a number and no index', '2026', [7]],
    ['takes names and indexes together', 'layer10,0', [0, 2]],
    ['keeps the order of the configuration', '3,1,0', [0, 1, 3]],
    ['takes a layer once', 'layer1,1,layer1', [1]],
    ['trims blanks around elements', ' layer1 , 3 ', [1, 3]],
    ['takes names of any letters, with spaces', 'Nœud größe ノード', [5]],
  ])('%s', (_title, limit, expected) => {
    expect(selectLayers(layers, limit).map(({ index }) => index)).toEqual(expected);
  });

  test.each([
    ['a name that is not there', 'bas', 'bas'],
    ['an index out of range', '8', '8'],
    ['an index with a leading zero', '01', '01'],
    ['a negative index', '-1', '-1'],
    ['another case', 'Base', 'Base'],
    ['a limit of commas', ',', ''],
    ['an empty element', 'base,', ''],
    ['one bad element among good ones', 'base,x', 'x'],
  ])('refuses %s and says what there is', (_title, limit, element) => {
    expect(() => selectLayers(layers, limit)).toThrow(
      `configuration_limit: no layer "${element}"; the configuration has 0 (base), 1 (layer1), 2 (layer10), 3, 4 (2)`,
    );
  });

  test('fails the session as a playbook error', () => {
    expect(() => selectLayers([], 'x')).toThrow(
      expect.objectContaining({
        fault: 'invalid',
        reason: 'PLAYBOOK_ERROR',
        message: 'configuration_limit: no layer "x"; the configuration has no layers.',
      }),
    );
  });

  test('finds a name that has blanks around it, and does not find one that is blank', () => {
    expect(selectLayers([{ name: ' a ' }], 'a')).toHaveLength(1);
    expect(() => selectLayers([{ name: '' }], ',')).toThrow('no layer ""');
  });

  test('selects layers by index even if their names are numbers', () => {
    const numbered = [{ name: '1' }, { name: '2' }, { name: '3' }];
    expect(selectLayers(numbered, '0,1,2').map(({ index }) => index)).toEqual([0, 1, 2]);
  });

  test('returns the layers themselves', () => {
    expect(selectLayers(layers, '1')[0]?.layer).toBe(layers[1]);
  });
});

describe('planJob', () => {
  test('plans clones, inventory and playbooks in the order of the layers', () => {
    const session = aSession({
      ansibleLimit: 'compute:!x1',
      ansibleVerbosity: 2,
      debugOnFailure: true,
    });
    const snapshot = aSnapshot({
      layers: [
        aLayer({ index: 0, name: 'base layer' }),
        aLayer({ index: 2, playbook: 'second.yml' }),
        aLayer({ index: 3, playbook: '' }),
      ],
      additionalInventory: aRepository('hosts', '2'.repeat(40)),
      options: { debugWaitTime: 3600, defaultPlaybook: 'default.yml' },
      limits: { ...DEFAULT_TIME_LIMITS, phaseSeconds: 7200 },
    });

    const text = `${JSON.stringify(planJob(session, snapshot), null, 2)}\n`;

    expect(text).toBe(readFixture('plan/three-layers.json', text));
  });

  test('chains the layers that run, whatever their indexes', () => {
    const snapshot = aSnapshot({ layers: [aLayer({ index: 4 }), aLayer({ index: 7 })] });

    expect(planPlaybooks(aSession(), snapshot)).toMatchObject([
      { name: 'ansible-4', layer: '4', previousLayer: '', directory: 'layer4' },
      { name: 'ansible-7', layer: '7', previousLayer: '4', directory: 'layer7' },
    ]);
  });

  test('leaves out of a retry what is done: first layers, and hosts of the next', () => {
    const layers = [0, 1, 2].map((index) => aLayer({ index }));
    const snapshot = aSnapshot({ layers, leftOut: { layers: 1, hosts: true } });
    const session = {
      ...aSession({ ansibleLimit: 'compute' }),
      done: {
        layers: [{ url: 'u', commit: 'c', playbook: 'p' }],
        partial: { layer: { url: 'u', commit: 'c', playbook: 'p' }, hosts: ['n1'] },
      },
    };

    const names = planJob(session, snapshot).phases.map(({ name }) => name);
    const [second, third] = planPlaybooks(session, snapshot);

    expect(names).toEqual(['git-clone-1', 'git-clone-2', 'inventory', 'ansible-1', 'ansible-2']);
    expect(second).toMatchObject({ limit: 'compute', previousLayer: '0', doneHosts: ['n1'] });
    expect(third).toMatchObject({ limit: 'compute', previousLayer: '1' });
    expect(third).not.toHaveProperty('doneHosts');
  });

  test('runs a layer of a retry on all hosts if only layers are left out', () => {
    const layers = [0, 1].map((index) => aLayer({ index }));
    const snapshot = aSnapshot({ layers, leftOut: { layers: 1, hosts: false } });
    const layer = { url: 'u', commit: 'c', playbook: 'p' };
    const session = { ...aSession(), done: { layers: [layer], partial: { layer, hosts: ['n1'] } } };

    const [only, ...others] = planPlaybooks(session, snapshot);

    expect(others).toEqual([]);
    expect(only?.name).toBe('ansible-1');
    expect(only).not.toHaveProperty('doneHosts');
  });

  test('plans the inventory alone for a configuration without layers', () => {
    const { phases } = planJob(aSession(), aSnapshot({ layers: [] }));

    expect(phases.map(({ name }) => name)).toEqual(['inventory']);
  });

  test('plans a debug playbook without a clone', () => {
    const snapshot = aSnapshot({ layers: [], debugPlaybook: 'noop' });

    const { phases } = planJob(aSession(), snapshot);

    expect(phases.map(({ name }) => name)).toEqual(['inventory', 'ansible-0']);
    expect(phases[1]).toMatchObject({
      layer: '_debug',
      previousLayer: '',
      playbook: 'noop.yaml',
      cloneUrl: '',
      recordsState: false,
    });
  });

  test('gives each phase a name of its own', () => {
    const many = Array.from({ length: 12 }, (_, index) => aLayer({ index }));
    const snapshot = aSnapshot({ layers: many, additionalInventory: aRepository('hosts') });

    const names = planJob(aSession(), snapshot).phases.map(({ name }) => name);

    expect(new Set(names).size).toBe(26);
  });

  test.each([
    ['a plain session', {}, true],
    ['a passthrough', { ansiblePassthrough: '--check' }, false],
    ['images', { target: { definition: 'image', groups: [] } } as const, false],
  ])('decides whether %s records state', (_title, request, expected) => {
    expect(planPlaybooks(aSession(request), aSnapshot())[0]?.recordsState).toBe(expected);
  });

  test('has the limits of silent hosts, none if the snapshot is from a version without them', () => {
    const limits = { ...DEFAULT_TIME_LIMITS, hostSilentSeconds: 60, hostSilentLimitSeconds: 900 };
    const { hostSilentSeconds, hostSilentLimitSeconds, ...older } = limits;
    const [before] = planPlaybooks(aSession(), aSnapshot({ limits: older }));
    const [now] = planPlaybooks(aSession(), aSnapshot({ limits }));
    expect(before).toMatchObject({ hostSilentSeconds: 0, hostSilentLimitSeconds: 0 });
    expect(now).toMatchObject({ hostSilentSeconds, hostSilentLimitSeconds });
  });

  test('says of a session of the batcher that its limit names hosts', () => {
    const [own] = planPlaybooks(aSession({ limitNamesHosts: true }), aSnapshot());
    expect(own).toMatchObject({ limitNamesHosts: true });
    expect(planPlaybooks(aSession(), aSnapshot())[0]).not.toHaveProperty('limitNamesHosts');
  });

  test('limits an image session to its members, each once, unless it has a limit', () => {
    const target = {
      definition: 'image',
      groups: [
        { name: 'a', members: ['image1', 'image2'] },
        { name: 'b', members: ['image2'] },
      ],
    } as const;

    expect(planPlaybooks(aSession({ target }), aSnapshot())[0]?.limit).toBe('image1,image2');
    expect(planPlaybooks(aSession({ target, ansibleLimit: 'image1' }), aSnapshot())[0]?.limit).toBe(
      'image1',
    );
  });
});

describe('toPhaseTitle, toPhaseSubject', () => {
  test('say what a phase is about', () => {
    const snapshot = aSnapshot({ additionalInventory: aRepository('hosts', 'abcdef01'.repeat(5)) });
    const { phases } = planJob(aSession(), snapshot);

    expect(phases.map(toPhaseTitle)).toEqual([
      'git-clone-0: https://git.example.org/layer0.git 11111111',
      'git-clone-hosts: https://git.example.org/hosts.git abcdef01',
      'inventory: dynamic',
      'ansible-0: site.yml',
    ]);
    expect(phases.map(toPhaseSubject)).toEqual([
      'https://git.example.org/layer0.git',
      'https://git.example.org/hosts.git',
      'dynamic',
      'site.yml',
    ]);
  });
});
