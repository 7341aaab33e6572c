import type { V1Container, V1PodSpec } from '@kubernetes/client-node';
import type { Job, Phase } from '../core/job.js';
import type { PodSettings, ResourceSettings } from './pod-settings.js';
import { AUTHORITY, renderMounts, JOB_DIRECTORY, WORKSPACE } from './pod-volumes.js';

/** Where the image contains the package `job`. */
const JOB_SOURCE = '/opt/keelson';
/**
 * The kubelet copies it into the container's status: how the phase ended, to the millisecond and with more than an exit code.
 */
const RESULT_FILE = '/dev/termination-log';
/** The last container of a pod that has only one phase. Named as in CFS. */
export const EMPTY_CONTAINER = 'ansible';

export interface ContainerSurroundings {
  readonly namespace: string;
  readonly hasImageKey: boolean;
}

/**
 * All phases but the last one are init containers. Clients of CFS expect at least one, so a single phase becomes one, and a
 * container that does nothing comes last, as in CFS if there is no layer.
 */
export function renderContainers(
  job: Job,
  settings: PodSettings,
  surroundings: ContainerSurroundings,
): Pick<V1PodSpec, 'initContainers' | 'containers'> {
  const containers = job.phases.map((phase) => renderContainer(job, phase, settings, surroundings));
  if (containers.length !== 1)
    return { initContainers: containers.slice(0, -1), containers: containers.slice(-1) };
  const empty = { name: EMPTY_CONTAINER, command: ['true'], env: [], volumeMounts: [] };
  return {
    initContainers: containers,
    containers: [Object.assign({}, containers[0], empty)],
  };
}

function renderContainer(
  job: Job,
  phase: Phase,
  settings: PodSettings,
  { hasImageKey, namespace }: ContainerSurroundings,
): V1Container {
  const place = ['--directory', JOB_DIRECTORY, '--workspace', WORKSPACE, '--result', RESULT_FILE];
  return {
    name: phase.name,
    image: settings.image,
    imagePullPolicy: settings.imagePullPolicy,
    command: ['python3', '-m', 'job', 'run', phase.name, ...place],
    workingDir: JOB_SOURCE,
    env: [
      { name: 'LANG', value: 'C.UTF-8' },
      { name: 'KEELSON_JOB', value: job.jobId },
      { name: 'KEELSON_NAMESPACE', value: namespace },
      { name: 'KEELSON_POD', valueFrom: { fieldRef: { fieldPath: 'metadata.name' } } },
      ...(settings.certificateAuthority === undefined
        ? []
        : [{ name: 'SSL_CAINFO', value: AUTHORITY }]),
    ],
    resources: { ...toResources(phase, settings) },
    volumeMounts: renderMounts(phase, settings, hasImageKey),
    terminationMessagePath: RESULT_FILE,
    terminationMessagePolicy: 'File',
    securityContext: {
      allowPrivilegeEscalation: false,
      ...(settings.readOnlyRootFilesystem ? { readOnlyRootFilesystem: true } : {}),
      capabilities: { drop: ['ALL'] },
    },
  };
}

function toResources({ kind }: Phase, { resources }: PodSettings): ResourceSettings {
  if (kind === 'git-clone' || kind === 'git-clone-hosts') return resources.clone;
  return kind === 'inventory' ? resources.inventory : resources.ansible;
}
