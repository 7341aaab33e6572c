import type { V1Volume, V1VolumeMount, V1VolumeProjection } from '@kubernetes/client-node';
import type { Phase } from '../core/job.js';
import type { SecretContent } from './pod-secrets.js';
import type { KeyReference, PodSettings } from './pod-settings.js';

/** The job's directory. Parts of it are separate mounts. */
export const JOB_DIRECTORY = '/run/keelson';
export const WORKSPACE = '/inventory';
/** Where playbooks written for CFS look for the workspace. */
const ANSIBLE_DIRECTORY = '/etc/ansible';
/** Where SSH looks for the keys of root. */
const SSH_DIRECTORY = '/root/.ssh';
const CA_DIRECTORY = '/etc/cray/ca';
const CA_FILE = 'certificate_authority.crt';
export const AUTHORITY = `${CA_DIRECTORY}/${CA_FILE}`;
/** Where every client of Kubernetes looks for it. */
const ACCOUNT_DIRECTORY = '/var/run/secrets/kubernetes.io/serviceaccount';
export const GIT_CACHE_DIRECTORY = '/var/cache/keelson';
export const VAULT_TOKEN = 'vault-token';
const OWNER_ONLY = 0o400;
const EVERYBODY = 0o444;

/** What Kubernetes itself mounts for a service account, but then in all containers. */
const ACCOUNT_SOURCES: V1VolumeProjection[] = [
  { serviceAccountToken: { path: 'token', expirationSeconds: 3607 } },
  { configMap: { name: 'kube-root-ca.crt', items: [{ key: 'ca.crt', path: 'ca.crt' }] } },
  {
    downwardAPI: {
      items: [
        { path: 'namespace', fieldRef: { apiVersion: 'v1', fieldPath: 'metadata.namespace' } },
      ],
    },
  },
];

/** Optional content of the job's own Secret. */
interface OwnSecrets {
  readonly hasImageKey: boolean;
  readonly hasVaultToken: boolean;
  readonly cloneSecrets: readonly string[];
}

/** Mounts credentials only where they are needed: those of git for clones, keys for hosts and tenants' tokens afterwards. */
export function renderVolumes(
  settings: PodSettings,
  secretsName: string,
  fileSecrets: readonly string[],
  { hasImageKey, hasVaultToken, cloneSecrets }: OwnSecrets,
): V1Volume[] {
  const { workspace, certificateAuthority, runAsNonRoot, gitCache } = settings;
  const token = projectSecret(secretsName, { token: 'token' });
  const imageKey = projectSecret(secretsName, {
    id_image: 'id_image',
    'id_image.pub': 'id_image.pub',
  });
  const keys = [...toKeySources(settings), ...(hasImageKey ? [imageKey] : [])];
  return [
    {
      name: 'workspace',
      emptyDir: {
        ...(workspace.medium === '' ? {} : { medium: workspace.medium }),
        ...(workspace.sizeLimit === undefined ? {} : { sizeLimit: workspace.sizeLimit }),
      },
    },
    ...(settings.readOnlyRootFilesystem ? [{ name: 'tmp', emptyDir: {} }] : []),
    project('plan', [projectSecret(secretsName, { 'job.json': 'job.json' })]),
    project('secrets', [
      token,
      ...(hasVaultToken ? [projectSecret(secretsName, { [VAULT_TOKEN]: VAULT_TOKEN })] : []),
    ]),
    project('clone-secrets', [
      token,
      ...toCloneSources(settings),
      ...toOwnCloneSecrets(secretsName, cloneSecrets),
    ]),
    project(
      'files',
      fileSecrets.map((name) => ({ secret: { name } })),
    ),
    ...(keys.length === 0 ? [] : [project('keys', keys)]),
    ...(settings.automountServiceAccountToken ? [project('account', ACCOUNT_SOURCES)] : []),
    ...(gitCache === undefined
      ? []
      : [{ name: 'git-cache', persistentVolumeClaim: { claimName: gitCache.claimName } }]),
    ...(certificateAuthority === undefined
      ? []
      : [project('ca', [projectKey(certificateAuthority, CA_FILE)], EVERYBODY)]),
    ...(runAsNonRoot === undefined
      ? []
      : [
          project(
            'passwd',
            [projectSecret(secretsName, { passwd: 'passwd', group: 'group' })],
            EVERYBODY,
          ),
        ]),
  ];
}

export function renderMounts(
  phase: Phase,
  settings: PodSettings,
  hasImageKey: boolean,
): V1VolumeMount[] {
  const hasKeys = hasImageKey || toKeySources(settings).length > 0;
  const isClone = phase.kind === 'git-clone' || phase.kind === 'git-clone-hosts';
  const inJob = (name: string) => `${JOB_DIRECTORY}/${name}`;
  return [
    { name: 'workspace', subPath: 'workspace', mountPath: WORKSPACE },
    { name: 'workspace', subPath: 'workspace', mountPath: ANSIBLE_DIRECTORY },
    { name: 'workspace', subPath: 'job', mountPath: JOB_DIRECTORY },
    ...(settings.readOnlyRootFilesystem ? [{ name: 'tmp', mountPath: '/tmp' }] : []),
    readOnly('plan', inJob('job.json'), 'job.json'),
    readOnly(isClone ? 'clone-secrets' : 'secrets', inJob('secrets')),
    ...(phase.kind === 'inventory' ? [readOnly('files', inJob('files'))] : []),
    ...(isClone || !hasKeys ? [] : renderKeyMounts(settings)),
    ...(isClone || !settings.automountServiceAccountToken
      ? []
      : [readOnly('account', ACCOUNT_DIRECTORY)]),
    ...(isClone && settings.gitCache !== undefined
      ? [{ name: 'git-cache', mountPath: GIT_CACHE_DIRECTORY }]
      : []),
    ...(settings.certificateAuthority === undefined ? [] : [readOnly('ca', CA_DIRECTORY)]),
    ...(settings.runAsNonRoot === undefined
      ? []
      : ['passwd', 'group'].map((file) => readOnly('passwd', `/etc/${file}`, file))),
  ];
}

/** The keys, and the folder to which the job copies them. Without root, that is found by the home in `passwd`. */
function renderKeyMounts({ runAsNonRoot }: PodSettings): V1VolumeMount[] {
  const ssh = { name: 'workspace', subPath: 'workspace/ssh', mountPath: SSH_DIRECTORY };
  const keys = readOnly('keys', `${JOB_DIRECTORY}/keys`);
  return runAsNonRoot === undefined ? [keys, ssh] : [keys];
}

/** SSH and git look up the user that they run as. */
export function renderPasswd({ user, group }: { user: number; group: number }): SecretContent {
  const encode = (lines: readonly string[]) => new TextEncoder().encode(`${lines.join('\n')}\n`);
  return {
    passwd: encode([
      'root:x:0:0:root:/root:/bin/sh',
      `keelson:x:${user}:${group}:keelson:${WORKSPACE}/home:/bin/sh`,
    ]),
    group: encode(['root:x:0:', `keelson:x:${group}:`]),
  };
}

function toCloneSources(settings: PodSettings): V1VolumeProjection[] {
  return [
    ...optional(settings.gitCredentials, 'git-credentials'),
    ...optional(settings.gitSshKey, 'git-ssh-key'),
    ...optional(settings.gitKnownHosts, 'git-known-hosts'),
    ...optional(settings.certificateAuthority, 'git-ca.crt'),
  ];
}

function toOwnCloneSecrets(name: string, keys: readonly string[]): V1VolumeProjection[] {
  if (keys.length === 0) return [];
  return [projectSecret(name, Object.fromEntries(keys.map((key) => [key, key])))];
}

function toKeySources(settings: PodSettings): V1VolumeProjection[] {
  return [
    ...optional(settings.sshPrivateKey, 'id_ecdsa'),
    ...optional(settings.sshPublicKey, 'id_ecdsa.pub'),
    ...optional(settings.sshCertificate, 'id_ecdsa-cert.pub'),
  ];
}

function optional(reference: KeyReference | undefined, path: string): V1VolumeProjection[] {
  return reference === undefined ? [] : [projectKey(reference, path)];
}

function projectKey({ kind, name, key }: KeyReference, path: string): V1VolumeProjection {
  return { [kind]: { name, items: [{ key, path }] } };
}

/** Key → path. */
function projectSecret(name: string, items: Readonly<Record<string, string>>): V1VolumeProjection {
  return {
    secret: { name, items: Object.entries(items).map(([key, path]) => ({ key, path })) },
  };
}

function project(name: string, sources: V1VolumeProjection[], defaultMode = OWNER_ONLY): V1Volume {
  return { name, projected: { defaultMode, sources } };
}

function readOnly(name: string, mountPath: string, subPath?: string): V1VolumeMount {
  return { name, mountPath, readOnly: true, ...(subPath === undefined ? {} : { subPath }) };
}
