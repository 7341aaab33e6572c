import type { V1ContainerState, V1Pod } from '@kubernetes/client-node';
import type { Job } from '../../src/core/job.js';
import { parsePodSettings, type PodSettings } from '../../src/runner/pod-settings.js';

export const aSettings = (text = ''): PodSettings =>
  parsePodSettings(`image: registry/keelson-job:1\n${text}`);

/** Two layers and an additional inventory. */
export const aJob = (job: Partial<Job> = {}): Job => ({
  jobId: 'cfs-a-01234567',
  sessionName: 'a',
  configurationName: 'compute v3 / prod',
  inventoryType: 'dynamic',
  graceSeconds: 30,
  reportWaitSeconds: 60,
  podPendingSeconds: 600,
  phases: [
    {
      kind: 'git-clone',
      name: 'git-clone-0',
      layer: 0,
      repository: { url: 'https://git/a.git', commit: 'c0ffee' },
      directory: 'layer0',
      timeoutSeconds: 600,
    },
    {
      kind: 'git-clone-hosts',
      name: 'git-clone-hosts',
      repository: { url: 'https://git/hosts.git', commit: 'c0ffee' },
      directory: 'hosts',
      timeoutSeconds: 600,
    },
    { kind: 'inventory', name: 'inventory', definition: 'dynamic', timeoutSeconds: 600 },
    {
      kind: 'ansible',
      name: 'ansible-0',
      layer: '0',
      previousLayer: '',
      directory: 'layer0',
      playbook: 'site.yml',
      cloneUrl: 'https://git/a.git',
      limit: '',
      verbosity: 0,
      passthrough: '',
      timeoutSeconds: 0,
      debugWaitSeconds: 0,
      holdWaitSeconds: 0,
      hostSilentSeconds: 0,
      hostSilentLimitSeconds: 0,
      recordsState: true,
    },
  ],
  ...job,
});

export const PHASES = ['one', 'two', 'three'] as const;
const CREATED = '2026-01-01T00:00:00Z';

/** A pod of three phases, with its containers in the given states. `metadata` and so on replace the defaults. */
export function aPod(states: readonly V1ContainerState[], given: Partial<V1Pod> = {}): V1Pod {
  const statuses = PHASES.map((name, index) => ({
    name,
    image: 'image',
    imageID: 'image',
    ready: false,
    restartCount: 0,
    state: states[index] ?? { waiting: { reason: 'PodInitializing' } },
  }));
  return {
    ...given,
    metadata: Object.assign(
      { name: 'pod', creationTimestamp: CREATED as unknown as Date },
      given.metadata,
    ),
    spec: Object.assign(
      {
        containers: [{ name: 'three' }],
        initContainers: [{ name: 'one' }, { name: 'two' }],
      },
      given.spec,
    ),
    status: Object.assign(
      {
        phase: 'Pending',
        initContainerStatuses: statuses.slice(0, 2),
        containerStatuses: statuses.slice(2),
      },
      given.status,
    ),
  };
}

export const running: V1ContainerState = { running: {} };

/** Terminated as by a wrapper of `job/`; `message` is what it wrote. */
export function ended(
  exitCode: number,
  message: object | string = { state: 'ended', exit_code: exitCode, ...TIMES },
  reason = exitCode === 0 ? 'Completed' : 'Error',
): V1ContainerState {
  return {
    terminated: {
      exitCode,
      reason,
      message: typeof message === 'string' ? message : JSON.stringify(message),
      startedAt: '2026-01-01T00:00:10Z' as unknown as Date,
      finishedAt: '2026-01-01T00:00:20Z' as unknown as Date,
    },
  };
}

export const TIMES = {
  started_at: '2026-01-01T00:00:10.123Z',
  ended_at: '2026-01-01T00:00:20.456Z',
} as const;
