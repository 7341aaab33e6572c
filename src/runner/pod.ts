import type { V1Job, V1PodSpec, V1PodTemplateSpec } from '@kubernetes/client-node';
import type { GitProxy } from '../core/git-proxy.js';
import type { ImageKey } from '../core/image.js';
import { renderJobFile } from './job-file.js';
import { renderContainers } from './pod-containers.js';
import {
  CONTENT_ANNOTATION,
  PENDING_ANNOTATION,
  PHASES_ANNOTATION,
  SECRETS_ANNOTATION,
  toOwnLabels,
  toPodAnnotations,
  toSessionLabels,
} from './pod-labels.js';
import { digestSecrets, packFiles, type SecretContent } from './pod-secrets.js';
import type { PodSettings } from './pod-settings.js';
import { renderVolumes, renderPasswd, GIT_CACHE_DIRECTORY, VAULT_TOKEN } from './pod-volumes.js';
import type { Launch } from './runner.js';

/**
 * The longest time. A Job is kept until its session is over, which sets the real one. It is given because policies of clusters
 * add a shorter one where there is none.
 */
export const UNTIL_STOP = 2 ** 31 - 1;
/** What a wrapper needs beyond the grace time to deliver, and to give up on what cannot be killed. */
const GRACE_SLACK_SECONDS = 15;

export interface PodSurroundings {
  readonly settings: PodSettings;
  readonly namespace: string;
  readonly deploymentId: string;
  readonly apiUrl?: string;
  readonly gitProtocols: string;
  readonly gitProxy?: GitProxy;
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
    ...(surroundings.gitProxy === undefined ? {} : { gitProxy: surroundings.gitProxy }),
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
        labels: { ...toSessionLabels(job), ...toOwnLabels(job.jobId, deploymentId) },
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
  return {
    metadata: {
      labels: {
        ...(settings.mesh === 'off' ? { 'sidecar.istio.io/inject': 'false' } : {}),
        ...settings.labels,
        ...toSessionLabels(job),
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
      ...renderContainers(job, settings, { hasImageKey, namespace }),
      volumes: renderVolumes(settings, secretsName, fileSecrets, {
        hasImageKey,
        hasVaultToken: vaultToken !== undefined,
        cloneSecrets: Object.keys(cloneSecrets),
      }),
    },
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

function renderImageKey({ privateKey, publicKey }: ImageKey): SecretContent {
  return { id_image: encode(privateKey), 'id_image.pub': encode(`${publicKey}\n`) };
}

function encode(text: string): Uint8Array {
  return new TextEncoder().encode(text);
}
