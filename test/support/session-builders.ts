import type { PinnedLayer, PinnedRepository } from '../../src/core/configuration.js';
import { DEFAULT_OPTIONS, toTimeLimits } from '../../src/core/options.js';
import type { Session, SessionRequest, Snapshot } from '../../src/core/session.js';

export const DEFAULT_TIME_LIMITS = toTimeLimits(DEFAULT_OPTIONS);

/** Fills in what a test does not care about. */
export function aRequest(request: Partial<SessionRequest> = {}): SessionRequest {
  return {
    name: 'nightly',
    configurationName: 'compute-v3',
    configurationLimit: '',
    ansibleLimit: '',
    ansibleConfig: 'cfs-default-ansible-cfg',
    ansibleVerbosity: 0,
    ansiblePassthrough: '',
    target: { definition: 'dynamic' },
    tags: {},
    debugOnFailure: false,
    ...request,
  };
}

export function aSession(request: Partial<SessionRequest> = {}): Session {
  const asked = aRequest(request);
  return {
    jobId: `cfs-${asked.name}-0123abcd`,
    name: asked.name,
    request: asked,
    createdAt: '2026-01-01T00:00:00.000Z',
    desired: 'run',
    dispatched: 'started',
    attachOnly: false,
    admissionDue: false,
    external: false,
    state: 'pending',
    artifacts: [],
  };
}

export function aRepository(name: string, commit = '1'.repeat(40)): PinnedRepository {
  return { url: `https://git.example.org/${name}.git`, commit };
}

export function aLayer(layer: Partial<PinnedLayer> = {}): PinnedLayer {
  const { index = 0 } = layer;
  return {
    index,
    repository: aRepository(`layer${index}`),
    playbook: 'site.yml',
    ...layer,
  };
}

export function aSnapshot(snapshot: Partial<Snapshot> = {}): Snapshot {
  return {
    configurationName: 'compute-v3',
    layers: [aLayer()],
    options: { debugWaitTime: 3600, defaultPlaybook: 'site.yml' },
    limits: DEFAULT_TIME_LIMITS,
    ...snapshot,
  };
}
