import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { omitUndefined } from '../core/omit-undefined.js';
import type { GitCache } from '../runner/job-file.js';
import { parsePodSettings, type PodSettings } from '../runner/pod-settings.js';
import type { EnvironmentReader } from './environment.js';
import type { Tools } from './tools.js';

export interface RunnerConfig {
  /** `none`: sessions are recorded for an external operator, and nothing is started. */
  readonly kind: 'local' | 'kubernetes' | 'none';
  /** Present if the kind is `kubernetes`. */
  readonly kubernetes?: KubernetesConfig;
  readonly jobsDirectory: string;
  /** How long the directory of a job is kept after the job has ended. */
  readonly jobRetentionSeconds: number;
  readonly python: string;
  readonly ansiblePlaybook: string;
  readonly ansibleConfigDirectory?: string;
  readonly sshPrivateKeyFile?: string;
  readonly sshPublicKeyFile?: string;
  readonly sshCertificateFile?: string;
  readonly maxWatchedJobs: number;
  /** For jobs on this machine. Absent: no commits are cached. */
  readonly gitCache?: GitCache;
}

export interface KubernetesConfig {
  readonly settings: PodSettings;
  /** Absent: the namespace of the context; in a pod, the pod's own. */
  readonly namespace?: string;
  /** Absent: the file that `kubectl` would use; in a pod, its service account. */
  readonly kubeconfigFile?: string;
  /** How long a Kubernetes Job is kept after its session has ended. */
  readonly jobTtlSeconds: number;
}

/** Kubernetes accepts no more than this (68 years). It would refuse the update of a Job at the end of its session. */
const MAX_TTL_SECONDS = 2 ** 31 - 1;

export function parseRunner(
  read: EnvironmentReader,
  tools: Pick<Tools, 'python' | 'ansiblePlaybook'>,
  dataDirectory: string,
): RunnerConfig {
  return omitUndefined({
    ...parseKind(read),
    jobsDirectory: join(dataDirectory, 'jobs'),
    jobRetentionSeconds: read.integer('JOB_RETENTION', { fallback: 3600, minimum: 0 }),
    python: tools.python,
    ansiblePlaybook: tools.ansiblePlaybook,
    ansibleConfigDirectory: read.file('ANSIBLE_CONFIG_DIRECTORY'),
    sshPrivateKeyFile: read.file('SSH_PRIVATE_KEY_FILE'),
    sshPublicKeyFile: read.file('SSH_PUBLIC_KEY_FILE'),
    sshCertificateFile: read.file('SSH_CERTIFICATE_FILE'),
    maxWatchedJobs: read.integer('MAX_WATCHED_JOBS', { fallback: 200, minimum: 1 }),
    gitCache: parseGitCache(read, dataDirectory),
  });
}

function parseGitCache(read: EnvironmentReader, dataDirectory: string): GitCache | undefined {
  const maxBytes = read.integer('GIT_CACHE_MAX_BYTES', { fallback: 2 ** 30, minimum: 0 });
  return maxBytes === 0 ? undefined : { directory: join(dataDirectory, 'git-cache'), maxBytes };
}

function parseKind(read: EnvironmentReader): Pick<RunnerConfig, 'kind' | 'kubernetes'> {
  const kind = read.text('RUNNER') ?? 'local';
  if (kind === 'local' || kind === 'none') return { kind };
  if (kind === 'kubernetes') return { kind, kubernetes: parseKubernetes(read) };
  throw new Error(`RUNNER: "${kind}" is not local, kubernetes or none.`);
}

function parseKubernetes(read: EnvironmentReader): KubernetesConfig {
  const file = read.file('KUBERNETES_SETTINGS_FILE');
  if (file === undefined)
    throw new Error('KUBERNETES_SETTINGS_FILE: RUNNER=kubernetes needs it, for the image of jobs.');
  return omitUndefined({
    settings: readPodSettings(file),
    namespace: read.text('KUBERNETES_NAMESPACE'),
    kubeconfigFile: read.file('KUBECONFIG'),
    jobTtlSeconds: Math.min(
      read.integer('KUBERNETES_JOB_TTL', { fallback: 3600, minimum: 0 }),
      MAX_TTL_SECONDS,
    ),
  });
}

function readPodSettings(file: string): PodSettings {
  try {
    return parsePodSettings(readFileSync(file, 'utf8'));
  } catch (cause) {
    const { message } = cause as Error;
    throw new Error(`KUBERNETES_SETTINGS_FILE: ${file}: ${message}`, { cause });
  }
}
