import type {
  V1Container,
  V1Job,
  V1PodSpec,
  V1PodTemplateSpec,
  V1VolumeMount,
} from '@kubernetes/client-node';
import type { ImageKey } from '../core/image.js';
import type { Job, Phase } from '../core/job.js';
import { renderJobFile } from './job-file.js';
import {
  CONTENT_ANNOTATION,
  PENDING_ANNOTATION,
  PHASES_ANNOTATION,
  SECRETS_ANNOTATION,
  toOwnLabels,
  toPodAnnotations,
  toPodLabels,
} from './pod-labels.js';
import { digestSecrets, packFiles, type SecretContent } from './pod-secrets.js';
import type { PodSettings, ResourceSettings } from './pod-settings.js';
import {
  renderMounts,
  renderVolumes,
  renderPasswd,
  GIT_CACHE_DIRECTORY,
  JOB_DIRECTORY,
  VAULT_TOKEN,
  WORKSPACE,
} from './pod-volumes.js';
import type { Launch } from './runner.js';

/** Where the image contains the package `job`. */
const JOB_SOURCE = '/opt/keelson';
/**
 * The kubelet copies it into the container's status: how the phase ended, to the millisecond and with more than an exit code.
 */
const RESULT_FILE = '/dev/termination-log';
/**
 * The longest time. A Job is kept until its session is over, which sets the real one. It is given because policies of clusters
 * add a shorter one where there is none.
 */
export const UNTIL_STOP = 2 ** 31 - 1;
/** The last container of a pod that has only one phase. Named as in CFS. */
export const EMPTY_CONTAINER = 'ansible';
/** What a wrapper needs beyond the grace time to deliver, and to give up on what cannot be killed. */
const GRACE_SLACK_SECONDS = 15;

export interface PodSurroundings {
  readonly settings: PodSettings;
  readonly namespace: string;
  readonly deploymentId: string;
  readonly apiUrl?: string;
  readonly gitProtocols: string;
}

/** The objects of a job in Kubernetes: the suspended Job, and by name the Secrets that it will own. */
export interface JobObjects {
  readonly job: V1Job;
  readonly secrets: Readonly<Record<string, SecretContent>>;
}

/** `ansibleConfig`: the text of the session's ansible.cfg. `secretsName`: the prefix of the names of its Secrets. */
export function renderJobObjects(
  launch: Launch,
  ansibleConfig: Uint8Array,
  secretsName: string,
  surroundings: PodSurroundings,
): JobObjects {
  const { job, files, token, vaultToken, imageKey, cloneSecrets = {} } = launch;
  const { settings, deploymentId } = surroundings;
  const staged = Object.entries(files).map(([name, content]) => [`${name}.gz`, content] as const);
  const packed = packFiles({ ...Object.fromEntries(staged), 'ansible.cfg': ansibleConfig });
  const fileSecrets = packed.map((_, index) => `${secretsName}-files-${index}`);
  const plan = renderJobFile(job, {
    ...(surroundings.apiUrl === undefined ? {} : { apiUrl: surroundings.apiUrl }),
    gitProtocols: surroundings.gitProtocols,
    ansiblePlaybook: settings.ansiblePlaybook,
    ...(settings.gitCache === undefined
      ? {}
      : { gitCache: { directory: GIT_CACHE_DIRECTORY, maxBytes: settings.gitCache.maxBytes } }),
  });
  const secrets = {
    [secretsName]: {
      'job.json': encode(plan),
      token: encode(token),
      ...(vaultToken === undefined ? {} : { [VAULT_TOKEN]: encode(vaultToken) }),
      ...encodeAll(cloneSecrets),
      ...(imageKey === undefined ? {} : renderImageKey(imageKey)),
      ...(settings.runAsNonRoot === undefined ? {} : renderPasswd(settings.runAsNonRoot)),
    },
    ...Object.fromEntries(packed.map((content, index) => [fileSecrets[index] ?? '', content])),
  };
  return {
    job: {
      apiVersion: 'batch/v1',
      kind: 'Job',
      metadata: {
        name: job.jobId,
        labels: toOwnLabels(job.jobId, deploymentId),
        annotations: {
          ...toPodAnnotations(job),
          [SECRETS_ANNOTATION]: secretsName,
          [CONTENT_ANNOTATION]: digestSecrets(Object.values(secrets)),
          [PHASES_ANNOTATION]: job.phases.map(({ name }) => name).join(','),
          [PENDING_ANNOTATION]: String(job.podPendingSeconds),
        },
      },
      spec: {
        suspend: true,
        backoffLimit: 0,
        completions: 1,
        parallelism: 1,
        ttlSecondsAfterFinished: UNTIL_STOP,
        template: renderTemplate(launch, secretsName, fileSecrets, surroundings),
      },
    },
    secrets,
  };
}

function encodeAll(texts: Readonly<Record<string, string>>): SecretContent {
  return Object.fromEntries(Object.entries(texts).map(([key, text]) => [key, encode(text)]));
}

function renderTemplate(
  { job, vaultToken, imageKey, cloneSecrets = {} }: Launch,
  secretsName: string,
  fileSecrets: readonly string[],
  { settings, namespace, deploymentId }: PodSurroundings,
): V1PodTemplateSpec {
  const hasImageKey = imageKey !== undefined;
  const containers = job.phases.map((phase) =>
    renderContainer(job, phase, renderMounts(phase, settings, hasImageKey), {
      settings,
      namespace,
    }),
  );
  return {
    metadata: {
      labels: {
        ...(settings.mesh === 'off' ? { 'sidecar.istio.io/inject': 'false' } : {}),
        ...settings.labels,
        ...toPodLabels(job),
        ...toOwnLabels(job.jobId, deploymentId),
      },
      annotations: {
        ...KEPT_ON_NODE,
        ...meshAnnotations[settings.mesh],
        ...settings.annotations,
        ...toPodAnnotations(job),
      },
    },
    spec: {
      ...renderPlacement(settings),
      ...renderRights(settings),
      restartPolicy: 'Never',
      terminationGracePeriodSeconds: job.graceSeconds + GRACE_SLACK_SECONDS,
      enableServiceLinks: false,
      ...arrangeContainers(containers),
      volumes: renderVolumes(settings, secretsName, fileSecrets, {
        hasImageKey,
        hasVaultToken: vaultToken !== undefined,
        cloneSecrets: Object.keys(cloneSecrets),
      }),
    },
  };
}

/**
 * All phases but the last one are init containers. Clients of CFS expect at least one, so a single phase becomes one, and a
 * container that does nothing comes last, as in CFS if there is no layer.
 */
function arrangeContainers(
  containers: readonly V1Container[],
): Pick<V1PodSpec, 'initContainers' | 'containers'> {
  if (containers.length !== 1)
    return { initContainers: containers.slice(0, -1), containers: containers.slice(-1) };
  const empty = { name: EMPTY_CONTAINER, command: ['true'], env: [], volumeMounts: [] };
  return {
    initContainers: [...containers],
    containers: [Object.assign({}, containers[0], empty)],
  };
}

/** Against autoscalers, which move pods to other nodes to empty one: a job would be evicted, and its playbook cut off. */
const KEPT_ON_NODE = {
  'cluster-autoscaler.kubernetes.io/safe-to-evict': 'false',
  'karpenter.sh/do-not-disrupt': 'true',
};

/** Keep out classic sidecars, which would start beside the last phase and never end, or ask for native ones. */
export const meshAnnotations = {
  off: { 'sidecar.istio.io/inject': 'false', 'linkerd.io/inject': 'disabled' },
  native: {
    'sidecar.istio.io/nativeSidecar': 'true',
    'config.alpha.linkerd.io/proxy-enable-native-sidecar': 'true',
  },
} as const satisfies Record<PodSettings['mesh'], Record<string, string>>;

function renderPlacement(settings: PodSettings): Partial<V1PodSpec> {
  const { nodeSelector, tolerations, priorityClassName, imagePullSecrets } = settings;
  const { activeDeadlineSeconds, hostNetwork } = settings;
  const dnsPolicy = settings.dnsPolicy ?? (hostNetwork ? 'ClusterFirstWithHostNet' : undefined);
  return {
    ...(Object.keys(nodeSelector).length === 0 ? {} : { nodeSelector }),
    ...(tolerations.length === 0 ? {} : { tolerations }),
    ...(priorityClassName === undefined ? {} : { priorityClassName }),
    ...(imagePullSecrets.length === 0
      ? {}
      : { imagePullSecrets: imagePullSecrets.map((name) => ({ name })) }),
    ...(activeDeadlineSeconds === undefined ? {} : { activeDeadlineSeconds }),
    ...(hostNetwork ? { hostNetwork } : {}),
    ...(dnsPolicy === undefined ? {} : { dnsPolicy }),
  };
}

function renderRights({ runAsNonRoot, serviceAccountName }: PodSettings): Partial<V1PodSpec> {
  return {
    ...(serviceAccountName === undefined ? {} : { serviceAccountName }),
    automountServiceAccountToken: false,
    securityContext: {
      ...(runAsNonRoot === undefined
        ? { runAsUser: 0 }
        : {
            runAsNonRoot: true,
            runAsUser: runAsNonRoot.user,
            runAsGroup: runAsNonRoot.group,
            fsGroup: runAsNonRoot.group,
          }),
      seccompProfile: { type: 'RuntimeDefault' },
    },
  };
}

function renderContainer(
  job: Job,
  phase: Phase,
  volumeMounts: V1VolumeMount[],
  { settings, namespace }: Pick<PodSurroundings, 'settings' | 'namespace'>,
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
    ],
    resources: { ...toResources(phase, settings) },
    volumeMounts,
    terminationMessagePath: RESULT_FILE,
    terminationMessagePolicy: 'File',
    securityContext: {
      allowPrivilegeEscalation: false,
      capabilities: { drop: ['ALL'] },
    },
  };
}

function toResources({ kind }: Phase, { resources }: PodSettings): ResourceSettings {
  if (kind === 'git-clone' || kind === 'git-clone-hosts') return resources.clone;
  return kind === 'inventory' ? resources.inventory : resources.ansible;
}

function renderImageKey({ privateKey, publicKey }: ImageKey): SecretContent {
  return { id_image: encode(privateKey), 'id_image.pub': encode(`${publicKey}\n`) };
}

function encode(text: string): Uint8Array {
  return new TextEncoder().encode(text);
}
