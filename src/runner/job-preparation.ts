import { randomUUID } from 'node:crypto';
import { readFile, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { ServiceError } from '../core/errors.js';
import { makeDirectory, readNames, writePrivate } from './files.js';
import { checkFileName, jobPaths, type JobPaths } from './job-directory.js';
import { renderJobFile, type JobSurroundings } from './job-file.js';
import { namePreparation } from './leftovers.js';
import type { Incarnation, Launch } from './runner.js';

/** Files whose content a job gets. Read anew for each job, because keys and certificates rotate. */
export interface SecretFiles {
  readonly sshPrivateKeyFile?: string;
  readonly sshPublicKeyFile?: string;
  readonly sshCertificateFile?: string;
  readonly gitCredentialsFile?: string;
  readonly gitCaFile?: string;
  readonly gitSshKeyFile?: string;
  readonly gitKnownHostsFile?: string;
}

export interface PreparationOptions extends JobSurroundings {
  readonly jobsDirectory: string;
  /** Contains the package `job`, whose `ansible.cfg` is the default one. */
  readonly jobSource: string;
  /** The files that a session's `ansible_config` may name. */
  readonly ansibleConfigDirectory?: string;
  readonly secrets: SecretFiles;
}

const DEFAULT_ANSIBLE_CONFIG = 'cfs-default-ansible-cfg';

/** Whether this is the whole text of the file `incarnation`. */
export function isIncarnation(text: string): boolean {
  return /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/.test(text);
}

/**
 * Builds the directory under another name and renames it, so that it is complete or absent. Undefined if there is one already.
 */
export async function buildJobDirectory(
  options: PreparationOptions,
  launch: Launch,
  target: JobPaths,
): Promise<Incarnation | undefined> {
  const incarnation = randomUUID();
  const draft = jobPaths(join(options.jobsDirectory, namePreparation()));
  try {
    await makeDirectory(draft.directory);
    for (const path of [draft.secrets, draft.files, draft.phases, draft.logs])
      await makeDirectory(path);
    await writePrivate(draft.incarnation, incarnation);
    await writePrivate(draft.job, renderJobFile(launch.job, options));
    await writeStagedFiles(draft, launch);
    await writeSecrets(draft, options.secrets, launch);
    await writeAnsibleConfig(draft, options, launch.ansibleConfig ?? DEFAULT_ANSIBLE_CONFIG);
    await rename(draft.directory, target.directory);
    return incarnation;
  } catch (error) {
    await rm(draft.directory, { recursive: true, force: true });
    if (isOccupied(error)) return undefined;
    throw error;
  }
}

async function writeStagedFiles({ files }: JobPaths, launch: Launch): Promise<void> {
  for (const [name, content] of Object.entries(launch.files))
    await writePrivate(join(files, `${checkFileName('Staged file', name)}.gz`), content);
}

async function writeSecrets(
  { secrets, workspace }: JobPaths,
  sources: SecretFiles,
  { token, vaultToken, imageKey, cloneSecrets = {} }: Launch,
): Promise<void> {
  const ssh = join(workspace, 'ssh');
  await makeDirectory(ssh);
  await writePrivate(join(secrets, 'token'), token);
  if (vaultToken !== undefined) await writePrivate(join(secrets, 'vault-token'), vaultToken);
  await copySecret(sources.sshPrivateKeyFile, join(ssh, 'id_ecdsa'));
  await copySecret(sources.sshPublicKeyFile, join(ssh, 'id_ecdsa.pub'));
  await copySecret(sources.sshCertificateFile, join(ssh, 'id_ecdsa-cert.pub'));
  if (imageKey !== undefined) {
    await writePrivate(join(ssh, 'id_image'), imageKey.privateKey);
    await writePrivate(join(ssh, 'id_image.pub'), `${imageKey.publicKey}\n`);
  }
  for (const [name, content] of Object.entries(cloneSecrets))
    await writePrivate(join(secrets, checkFileName('Secret', name)), content);
  await copySecret(sources.gitCredentialsFile, join(secrets, 'git-credentials'));
  await copySecret(sources.gitCaFile, join(secrets, 'git-ca.crt'));
  await copySecret(sources.gitSshKeyFile, join(secrets, 'git-ssh-key'));
  await copySecret(sources.gitKnownHostsFile, join(secrets, 'git-known-hosts'));
}

async function copySecret(source: string | undefined, target: string): Promise<void> {
  if (source === undefined) return;
  await writePrivate(target, await readSource(source));
}

/** A file may be missing for a moment while it is replaced, so the fault is one that is retried. */
async function readSource(path: string): Promise<Uint8Array> {
  try {
    return await readFile(path);
  } catch (cause) {
    throw new ServiceError('unavailable', `${path} cannot be read.`, {
      reason: 'INTERNAL',
      cause,
    });
  }
}

async function writeAnsibleConfig(
  { workspace }: JobPaths,
  options: PreparationOptions,
  name: string,
): Promise<void> {
  const { ansibleConfigDirectory: directory, jobSource } = options;
  const target = join(workspace, 'ansible.cfg');
  const known = directory === undefined ? [] : await readVisibleNames(directory);
  if (directory !== undefined && known.includes(name))
    await writePrivate(target, await readSource(join(directory, name)));
  else if (name === DEFAULT_ANSIBLE_CONFIG)
    await writePrivate(target, await readFile(join(jobSource, 'job', 'ansible.cfg')));
  else throw unknownConfig(known, name);
}

/** Skips hidden entries, which a mounted ConfigMap has besides its files. */
async function readVisibleNames(directory: string): Promise<readonly string[]> {
  return (await readNames(directory)).filter((name) => !name.startsWith('.'));
}

function unknownConfig(files: readonly string[], name: string): ServiceError {
  const known = new Set([DEFAULT_ANSIBLE_CONFIG, ...files]);
  return new ServiceError(
    'invalid',
    `ansible_config: there is no "${name}"; available are ${[...known].sort().join(', ')}.`,
    { reason: 'PLAYBOOK_ERROR' },
  );
}

function isOccupied(error: unknown): boolean {
  return ['ENOTEMPTY', 'EEXIST'].includes((error as NodeJS.ErrnoException).code ?? '');
}
