import type { V1Container, V1Pod } from '@kubernetes/client-node';
import { describe, expect, test } from '@jest/globals';
import {
  findSidecar,
  hasBegun,
  isOver,
  isOverdue,
  toEndedAt,
  toPodPhase,
} from '../../src/runner/pod-phase.js';
import { aPod, ended, PHASES, running, TIMES } from './pod-builders.js';

const CREATED = '2026-01-01T00:00:00.000Z';
const ONE_ENDED = '2026-01-01T00:00:20.000Z';
const SECONDS = { startedAt: '2026-01-01T00:00:10.000Z', endedAt: ONE_ENDED };
const PRECISE = { startedAt: TIMES.started_at, endedAt: TIMES.ended_at };
const SKIPPED = { kind: 'unstarted', reason: 'skipped' };
const stopped: Partial<V1Pod> = {
  metadata: { annotations: { 'keelson/stopped': '2026-01-01T00:00:15.000Z' } },
};
const failed = (reason: string): Partial<V1Pod> => ({ status: { phase: 'Failed', reason } });
const told = (killed: string) => ({ state: 'ended', killed, exit_code: null, ...TIMES });
const waiting = (reason: string, message?: string) => ({
  waiting: { reason, ...(message === undefined ? {} : { message }) },
});
const conditions = (type: string, status: string, reason: string, message: string) => ({
  status: { conditions: [{ type, status, reason, message }] },
});

describe('toPodPhase', () => {
  test('tells how each phase ended, and skips those after the first failure', () => {
    const pod = aPod([ended(0), ended(3)], failed('Error'));
    expect(PHASES.map((phase) => toPodPhase(pod, PHASES, phase))).toEqual([
      { kind: 'ended', result: { kind: 'exited', exitCode: 0, ...PRECISE } },
      { kind: 'ended', result: { kind: 'exited', exitCode: 3, ...PRECISE } },
      { kind: 'ended', result: expect.objectContaining(SKIPPED) },
    ]);
  });

  test('tells how the last phase ended', () => {
    const pod = aPod([ended(0), ended(0), ended(3)], failed('Error'));
    expect(toPodPhase(pod, PHASES, 'three')).toEqual({
      kind: 'ended',
      result: { kind: 'exited', exitCode: 3, ...PRECISE },
    });
  });

  test('waits for a phase that runs, and for one whose turn has not come', () => {
    const pod = aPod([ended(0), running]);
    expect(toPodPhase(pod, PHASES, 'two')).toEqual({ kind: 'running' });
    expect(toPodPhase(pod, PHASES, 'three')).toEqual({ kind: 'running' });
    expect(toPodPhase(aPod([]), PHASES, 'two')).toEqual({ kind: 'running' });
  });

  test.each<[string, V1Pod, object]>([
    ['a limit in time', aPod([ended(124, told('timeout'))]), { reason: 'timeout', ...PRECISE }],
    [
      'a stop of ours',
      aPod([ended(143, told('stopped'))], stopped),
      { reason: 'stopped', ...PRECISE },
    ],
    ['a stop of another', aPod([ended(143, told('stopped'))]), { reason: 'stopped', ...PRECISE }],
    [
      'a kill after the grace time',
      aPod([ended(137, '')], stopped),
      { reason: 'stopped', ...SECONDS },
    ],
    [
      'a stop before the wrapper could tell',
      aPod([ended(143, '')], stopped),
      { reason: 'stopped', ...SECONDS },
    ],
    [
      'a stop of another, of a pod that has a last resort',
      aPod([ended(143, told('stopped'))], {
        ...failed('Error'),
        spec: { containers: [], activeDeadlineSeconds: 60 },
      }),
      { reason: 'stopped', ...PRECISE },
    ],
    [
      'a stop of another, where an eviction was called off',
      aPod(
        [ended(143, told('stopped'))],
        conditions('DisruptionTarget', 'False', 'EvictionByEvictionAPI', ''),
      ),
      { reason: 'stopped', ...PRECISE },
    ],
    [
      'a limit in time, though the end took too much memory',
      aPod([ended(124, told('timeout'), 'OOMKilled')]),
      { reason: 'timeout', ...PRECISE },
    ],
    [
      'a limit in time, though the pod was evicted later',
      aPod([ended(124, told('timeout'))], failed('Evicted')),
      { reason: 'timeout', ...PRECISE },
    ],
    ['a kill by nobody knows whom', aPod([ended(137, '')]), { reason: 'lost', ...SECONDS }],
    ['the memory limit', aPod([ended(137, '', 'OOMKilled')]), { reason: 'memory', ...SECONDS }],
    [
      'the memory limit, of a child of the wrapper',
      aPod([ended(137, undefined, 'OOMKilled')]),
      { reason: 'memory', ...SECONDS },
    ],
    [
      'eviction by the kubelet',
      aPod([ended(143, told('stopped'))], failed('Evicted')),
      { reason: 'evicted', ...PRECISE },
    ],
    [
      'eviction by request',
      aPod(
        [ended(143, told('stopped'))],
        conditions('DisruptionTarget', 'True', 'EvictionByEvictionAPI', ''),
      ),
      { reason: 'evicted', ...PRECISE },
    ],
    [
      'eviction for a reason, in the words of the kubelet',
      aPod([ended(143, told('stopped'))], {
        status: { phase: 'Failed', reason: 'Evicted', message: 'Usage of EmptyDir exceeds it. ' },
      }),
      { reason: 'evicted', message: 'Usage of EmptyDir exceeds it.', ...PRECISE },
    ],
    [
      'eviction for a pod that matters more, in the words of the scheduler',
      aPod(
        [ended(137, '')],
        conditions('DisruptionTarget', 'True', 'PreemptionByScheduler', 'preempting'),
      ),
      { reason: 'evicted', message: 'preempting', ...SECONDS },
    ],
    [
      'eviction before it began',
      aPod([], { status: { phase: 'Failed', reason: 'Evicted' } }),
      { reason: 'evicted' },
    ],
    [
      'the last resort',
      aPod([ended(143, told('stopped'))], {
        ...failed('DeadlineExceeded'),
        spec: { containers: [], activeDeadlineSeconds: 60 },
      }),
      { reason: 'timeout', ...PRECISE },
    ],
    [
      'a node that does not know any more',
      aPod([ended(137, 'The container could not be located', 'ContainerStatusUnknown')]),
      { reason: 'lost' },
    ],
  ])('recognizes %s', (_what, pod, result) => {
    expect(toPodPhase(pod, PHASES, 'one')).toEqual({
      kind: 'ended',
      result: { kind: 'killed', ...result },
    });
  });

  test.each([0, 2])('keeps exit code %d, though the pod was evicted later', (exitCode) => {
    expect(toPodPhase(aPod([ended(exitCode)], failed('Evicted')), PHASES, 'one')).toEqual({
      kind: 'ended',
      result: { kind: 'exited', exitCode, ...PRECISE },
    });
  });

  test('recognizes a success close to the memory limit', () => {
    const pod = aPod([ended(0, undefined, 'OOMKilled')]);
    expect(toPodPhase(pod, PHASES, 'one')).toMatchObject({
      result: { kind: 'exited', exitCode: 0 },
    });
  });

  test('ignores a message that does not match the exit code', () => {
    const pod = aPod([ended(2, { state: 'ended', exit_code: 0, ...TIMES })]);
    expect(toPodPhase(pod, PHASES, 'one')).toEqual({
      kind: 'ended',
      result: { kind: 'exited', exitCode: 2, ...SECONDS },
    });
  });

  test('of a deleted pod is lost for the phase that had not ended, and skipped for later ones', () => {
    const pod = aPod([ended(0), running]);
    expect(PHASES.map((phase) => toPodPhase(pod, PHASES, phase, true))).toEqual([
      { kind: 'ended', result: { kind: 'exited', exitCode: 0, ...PRECISE } },
      { kind: 'ended', result: { kind: 'killed', reason: 'lost' } },
      { kind: 'ended', result: expect.objectContaining(SKIPPED) },
    ]);
  });

  test.each([
    [
      'no node',
      aPod([], conditions('PodScheduled', 'False', 'Unschedulable', '0/1 nodes: cpu')),
      'one',
      CREATED,
      { reason: 'unschedulable', message: '0/1 nodes: cpu' },
    ],
    [
      'an image that is not there',
      aPod([waiting('ImagePullBackOff', 'Back-off pulling')]),
      'one',
      CREATED,
      { reason: 'image-pull', message: 'ImagePullBackOff: Back-off pulling' },
    ],
    [
      'a Secret that is not there',
      aPod([ended(0), waiting('CreateContainerConfigError', 'secret "a" not found')]),
      'two',
      ONE_ENDED,
      { reason: 'config', message: 'CreateContainerConfigError: secret "a" not found' },
    ],
    [
      'a container before it that somebody put there',
      aPodWith({ name: 'mesh-init' }, { state: running }),
      'one',
      CREATED,
      {
        reason: 'config',
        message: 'container mesh-init, which was put into its pod: it has not ended',
      },
    ],
    [
      'a sidecar before it that has no image',
      aPodWith(
        { name: 'mesh', restartPolicy: 'Always' },
        { started: false, state: waiting('ErrImagePull', 'not there') },
      ),
      'one',
      CREATED,
      {
        reason: 'config',
        message: 'container mesh, which was put into its pod: ErrImagePull: not there',
      },
    ],
    [
      'a sidecar before it whose probe has not succeeded',
      aPodWith({ name: 'mesh', restartPolicy: 'Always' }, { started: false, state: running }),
      'one',
      CREATED,
      {
        reason: 'config',
        message: 'container mesh, which was put into its pod: it has not started',
      },
    ],
    [
      'a sidecar before it that has started',
      aPodWith({ name: 'mesh', restartPolicy: 'Always' }, { started: true, state: running }),
      'one',
      CREATED,
      undefined,
    ],
    [
      'nothing in particular',
      aPod([ended(0), waiting('PodInitializing')]),
      'two',
      ONE_ENDED,
      undefined,
    ],
  ])('waits where there is %s', (_what, pod, phase, since, obstacle) => {
    expect(toPodPhase(pod, PHASES, phase)).toEqual({
      kind: 'pending',
      since,
      ...(obstacle === undefined ? {} : { obstacle }),
    });
  });

  test.each([
    [
      'an image that may not be pulled',
      waiting('ErrImageNeverPull', 'not present'),
      'image-pull',
      'Check image and imagePullSecrets in KUBERNETES_SETTINGS_FILE: ErrImageNeverPull: not present',
    ],
    [
      'an image whose name is no name',
      waiting('InvalidImageName'),
      'image-pull',
      'Check image and imagePullSecrets in KUBERNETES_SETTINGS_FILE: InvalidImageName',
    ],
    [
      'an image without Python',
      ended(128, 'exec: "python3": not found', 'StartError'),
      'config',
      'exec: "python3": not found',
    ],
  ])('does not wait for %s', (_what, state, reason, message) => {
    expect(toPodPhase(aPod([state]), PHASES, 'one')).toEqual({
      kind: 'ended',
      result: { kind: 'unstarted', reason, message },
    });
  });

  test('names a container that somebody put before it, and that failed', () => {
    const failing = { state: ended(1, 'iptables: not permitted') };
    const pod = aPodWith({ name: 'mesh-init' }, failing, { phase: 'Failed' });
    expect(PHASES.map((phase) => toPodPhase(pod, PHASES, phase))).toEqual([
      {
        kind: 'ended',
        result: {
          kind: 'unstarted',
          reason: 'config',
          message:
            'container mesh-init, which was put into its pod, ended with exit code 1: iptables: not permitted',
        },
      },
      { kind: 'ended', result: expect.objectContaining(SKIPPED) },
      { kind: 'ended', result: expect.objectContaining(SKIPPED) },
    ]);
  });

  test('does not blame it if the pod was stopped, evicted or deleted', () => {
    const failing = { state: ended(143, '') };
    const evicted = aPodWith({ name: 'mesh-init' }, failing, {
      phase: 'Failed',
      reason: 'Evicted',
    });
    const gone = aPodWith({ name: 'mesh-init' }, failing);
    const deleted = aPodWith({ name: 'mesh-init' }, failing, { phase: 'Failed' });
    Object.assign(deleted.metadata ?? {}, { deletionTimestamp: CREATED });
    expect([
      toPodPhase(evicted, PHASES, 'one'),
      toPodPhase(gone, PHASES, 'one', true),
      toPodPhase(deleted, PHASES, 'one'),
    ]).toEqual([
      { kind: 'ended', result: { kind: 'killed', reason: 'evicted' } },
      { kind: 'ended', result: { kind: 'killed', reason: 'lost' } },
      { kind: 'ended', result: { kind: 'killed', reason: 'lost' } },
    ]);
  });
});

/** A pod with a foreign container before the phases. */
function aPodWith(container: V1Container, status: object, told: object = {}): V1Pod {
  const { spec, status: seen } = aPod([]);
  const first = { image: '', imageID: '', ready: false, restartCount: 0, name: container.name };
  return aPod([], {
    spec: { containers: [], initContainers: [container, ...(spec?.initContainers ?? [])] },
    status: {
      ...told,
      initContainerStatuses: [{ ...first, ...status }, ...(seen?.initContainerStatuses ?? [])],
    },
  });
}

describe('isOver', () => {
  test.each([
    ['Pending', false],
    ['Running', false],
    ['Unknown', false],
    ['Failed', true],
    ['Succeeded', true],
  ])('of a pod that is %s is %p', (phase, expected) => {
    expect(isOver(aPod([], { status: { phase } }))).toBe(expected);
  });
});

describe('isOver, before the pod itself says so,', () => {
  test.each([
    ['the first phase has ended well', [ended(0), running], false],
    ['the first phase has failed', [ended(3)], true],
    ['the last phase has ended', [ended(0), ended(0), ended(0)], true],
    ['the last phase runs', [ended(0), ended(0), running], false],
  ])('where %s', (_what, states, expected) => {
    expect(isOver(aPod(states))).toBe(expected);
  });

  test('where nothing is known of its last container', () => {
    expect(isOver(aPod([], { status: { containerStatuses: [] } }))).toBe(false);
  });

  test('where a native sidecar is restarted', () => {
    const pod = aPod([ended(0), running]);
    const sidecar = { name: 'proxy', image: 'i', imageID: 'i', ready: false, restartCount: 1 };
    pod.spec?.initContainers?.unshift({ name: 'proxy', restartPolicy: 'Always' });
    pod.status?.initContainerStatuses?.unshift({ ...sidecar, state: ended(1, '') });
    expect(isOver(pod)).toBe(false);
    expect(toPodPhase(pod, PHASES, 'two')).toEqual({ kind: 'running' });
    expect(toPodPhase(pod, PHASES, 'three')).toEqual({ kind: 'running' });
  });
});

describe('toEndedAt', () => {
  test('is the end of the last container that ended', () => {
    expect(toEndedAt(aPod([ended(0), running]))).toBe(ONE_ENDED);
    expect(toEndedAt(aPod([running]))).toBeUndefined();
  });
});

describe('isOverdue', () => {
  test('is true five minutes after Kubernetes was to remove the pod', () => {
    const at = Date.parse(CREATED);
    const pod = aPod([running], { metadata: { deletionTimestamp: new Date(at) } });
    expect(isOverdue(pod, at + 299_999)).toBe(false);
    expect(isOverdue(pod, at + 300_000)).toBe(true);
    expect(isOverdue(aPod([running]), at + 300_000)).toBe(false);
  });
});

describe('hasBegun', () => {
  test.each([
    ['nothing runs', [], false],
    ['its first container runs', [running], true],
    ['its first container has ended', [ended(0)], true],
    ['its last container runs', [{}, {}, running], true],
    ['its last container has ended', [{}, {}, ended(0)], true],
  ])('where %s', (_what, states, expected) => {
    expect(hasBegun(aPod(states))).toBe(expected);
  });
});

describe('findSidecar', () => {
  test('is the container beside the last phase', () => {
    const pod = aPod([], { spec: { containers: [{ name: 'three' }, { name: 'istio-proxy' }] } });
    expect(findSidecar(pod, PHASES)).toBe('istio-proxy');
    expect(findSidecar(aPod([]), PHASES)).toBeUndefined();
    const single = aPod([], { spec: { containers: [{ name: 'ansible' }] } });
    expect(findSidecar(single, ['inventory'])).toBeUndefined();
  });
});
