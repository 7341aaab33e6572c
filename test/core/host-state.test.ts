import { describe, expect, test } from '@jest/globals';
import { findReportedLayer, toComponentPatch } from '../../src/core/host-state.js';
import type { SessionRequest } from '../../src/core/session.js';
import { aLayer, aRepository, aSession, aSnapshot } from '../support/session-builders.js';

const layers = [aLayer({ index: 1, playbook: '' }), aLayer({ index: 3, playbook: 'b.yml' })];

describe('findReportedLayer', () => {
  test('is what the phase ran, with the default playbook filled in', () => {
    const session = { ...aSession(), snapshot: aSnapshot({ layers }) };
    const { url: cloneUrl, commit } = aRepository('layer1');
    expect(findReportedLayer(session, 'ansible-1')).toEqual({
      ...{ cloneUrl, commit, playbook: 'site.yml', sessionName: 'nightly' },
    });
    expect(findReportedLayer(session, 'ansible-3')).toMatchObject({ playbook: 'b.yml' });
  });

  test.each<[string, Partial<SessionRequest>]>([
    ['an image session', { target: { definition: 'image', groups: [] } }],
    ['a passthrough', { ansiblePassthrough: '--tags a' }],
  ])('is undefined for %s', (_, request) => {
    const session = { ...aSession(request), snapshot: aSnapshot({ layers }) };
    expect(findReportedLayer(session, 'ansible-1')).toBeUndefined();
  });

  test('is undefined for a debug playbook, another phase, and a session that has not begun', () => {
    const debug = aSnapshot({ layers: [], debugPlaybook: 'noop' });
    expect(findReportedLayer({ ...aSession(), snapshot: debug }, 'ansible-0')).toBeUndefined();
    const session = { ...aSession(), snapshot: aSnapshot({ layers }) };
    expect(findReportedLayer(session, 'git-clone-1')).toBeUndefined();
    expect(findReportedLayer(aSession(), 'ansible-1')).toBeUndefined();
  });
});

describe('toComponentPatch', () => {
  const layer = { cloneUrl: 'u', playbook: 'p', commit: 'c', sessionName: 's' };
  const nothing = {
    ...{ phase: 'ansible-0', host: 'x1', ok: 0, changed: 0, failed: 0, skipped: 0, unreachable: 0 },
    incomplete: false,
  };
  test.each([
    ['ok', { ok: 1 }, { stateAppend: [{ ...layer, status: 'applied' }], errorCount: 0 }],
    ['failed', { failed: 1 }, { stateAppend: [{ ...layer, status: 'failed' }], addErrors: 1 }],
    [
      'unreachable, and cut short',
      { unreachable: 1, incomplete: true },
      { stateAppend: [{ ...layer, status: 'failed' }], addErrors: 1 },
    ],
    ['cut short', { incomplete: true }, { stateAppend: [{ ...layer, status: 'incomplete' }] }],
  ])('%s', (_, result, patch) => {
    expect(toComponentPatch({ ...nothing, ...result }, layer)).toEqual(patch);
  });
});
