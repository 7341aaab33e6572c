import { join } from 'node:path';
import { ServiceError, type Reason } from '../core/errors.js';
import type { GitProxy } from '../core/git-proxy.js';
import { omitUndefined } from '../core/omit-undefined.js';
import { toCredentialLine } from '../core/source.js';
import { hideCredentials, isHashRefused, isHashUnknown, toCloneFault } from './git-complaint.js';
import { removeAbandonedDirectories, withGitDirectory, writeGitFile } from './git-directory.js';
import { runGit, type GitEnd } from './git-process.js';
import type { GitClient, RepositoryAccess } from './interfaces.js';

export interface GitOptions {
  /** In the format of GIT_ALLOW_PROTOCOL: `https:ssh`. */
  readonly protocols: string;
  readonly proxy?: GitProxy;
  /** In the format of git-credential-store; never written. */
  readonly credentialsFile?: string;
  readonly caFile?: string;
  readonly sshKeyFile?: string;
  readonly knownHostsFile?: string;
  /** Limit of each git command. A branch or tag takes one command, a hash a few more. */
  readonly timeoutSeconds?: number;
}

type Git = (argv: readonly string[], signal: AbortSignal) => Promise<GitEnd>;

const HASH = /^[0-9a-f]{40}$/;

/** Asks git servers with `git ls-remote`. Only for a full hash it also fetches commits, without their files. */
export function createGitClient(options: GitOptions): GitClient {
  const git = createGit(options);
  // Not awaited, and may fail: the next start tries again.
  void removeAbandonedDirectories().catch(() => undefined);
  return {
    async resolve(url, ref, signal, access) {
      requireData('repository URL', url, 'GIT_CLONE');
      requireData('reference', ref, 'GIT_REF');
      if (access === undefined) return resolve(git, url, ref, signal);
      return withAccess(url, access, (files) =>
        resolve(createGit({ ...options, ...files }), url, ref, signal),
      );
    },
  };
}

function createGit(options: GitOptions): Git {
  const environment = toEnvironment(options);
  const settings = toSettings(options);
  const { timeoutSeconds = 30 } = options;
  return (argv, signal) =>
    runGit({ argv: [...settings, ...argv], environment, timeoutSeconds }, signal);
}

async function resolve(git: Git, url: string, ref: string, signal: AbortSignal): Promise<string> {
  const known = await readReferences(git, url, toCandidates(ref), signal);
  const commit = toCandidates(ref)
    .map((name) => known.get(name))
    .find((hash) => hash !== undefined);
  if (commit !== undefined && !HASH.test(commit)) throw otherHashes(url);
  if (commit !== undefined) return commit;
  if (HASH.test(ref)) return resolveHash(git, url, ref, signal);
  throw unknownReference(url, ref);
}

/** Passes secrets in files that only this user can read and that exist while git runs, never in arguments or environment. */
async function withAccess<T>(
  url: string,
  { credentials, ca }: RepositoryAccess,
  act: (files: Pick<GitOptions, 'credentialsFile' | 'caFile'>) => Promise<T>,
): Promise<T> {
  return withGitDirectory(async (directory) => {
    const write = (name: string, content: string) => writeGitFile(join(directory, name), content);
    return act({
      ...(credentials === undefined
        ? {}
        : { credentialsFile: await write('credentials', toCredentialLine(url, credentials)) }),
      ...(ca === undefined ? {} : { caFile: await write('ca.crt', ca) }),
    });
  });
}

/** A branch goes before a tag. `^{}` is the commit of an annotated tag. Last comes the name in a clone: `origin/main`. */
function toCandidates(ref: string): readonly string[] {
  if (['', 'HEAD', 'origin/HEAD'].includes(ref)) return ['HEAD'];
  const full = ref.startsWith('refs/') ? [`${ref}^{}`, ref] : [];
  const short = /^(heads|tags)\//.test(ref) ? [`refs/${ref}^{}`, `refs/${ref}`] : [];
  const remote = ref.startsWith('origin/') ? [ref.replace('origin', 'refs/heads')] : [];
  const plain = [`refs/heads/${ref}`, `refs/tags/${ref}^{}`, `refs/tags/${ref}`];
  return [...full, ...plain, ...short, ...remote];
}

async function readReferences(
  git: Git,
  url: string,
  names: readonly string[],
  signal: AbortSignal,
): Promise<ReadonlyMap<string, string>> {
  const end = await git(['ls-remote', '--quiet', '--', url, ...names], signal);
  if (end.kind !== 'exited' || end.exitCode !== 0) throw toCloneFault(url, end);
  // Git takes the names as patterns that also match the ends of longer names; the caller looks up exact names.
  const lines = end.output.split('\n').map((line) => line.split('\t'));
  return new Map(lines.map(([hash = '', name = '']) => [name, hash]));
}

async function resolveHash(
  git: Git,
  url: string,
  hash: string,
  signal: AbortSignal,
): Promise<string> {
  return withGitDirectory(async (directory) => {
    const run = (...argv: string[]) => git(['-C', directory, ...argv], signal);
    requireSuccess(url, await run('init', '--quiet', '--bare'));
    const fetched = await run('fetch', '--quiet', '--depth=1', FILTER, '--', url, hash);
    if (fetched.kind === 'exited' && fetched.exitCode !== 0) {
      if (isHashUnknown(fetched.complaint)) throw unknownReference(url, hash);
      if (!isHashRefused(fetched.complaint)) throw toCloneFault(url, fetched);
      const all = ['+refs/heads/*:refs/heads/*', '+refs/tags/*:refs/tags/*'];
      requireSuccess(url, await run('fetch', '--quiet', FILTER, '--', url, ...all));
    } else requireSuccess(url, fetched);
    const parsed = await run('rev-parse', '--verify', '--quiet', `${hash}^{commit}`);
    if (parsed.kind === 'exited' && parsed.exitCode === 0) return parsed.output.trim();
    throw unknownReference(url, hash);
  });
}

/** Fetches commits without their files. Servers that do not support it ignore it. */
const FILTER = '--filter=tree:0';

function requireSuccess(url: string, end: GitEnd): void {
  if (end.kind !== 'exited' || end.exitCode !== 0) throw toCloneFault(url, end);
}

/** Git gets its defaults and our settings only: no configuration of user or system, no prompts, no inherited variables. */
function toEnvironment(options: GitOptions): Readonly<Record<string, string>> {
  const { protocols, proxy, caFile, sshKeyFile, knownHostsFile } = options;
  const ssh = ['ssh', '-F', '/dev/null', '-o', 'BatchMode=yes', '-o', 'ConnectTimeout=10'];
  ssh.push('-o', 'StrictHostKeyChecking=yes', '-o', 'ServerAliveInterval=10');
  if (knownHostsFile !== undefined) ssh.push('-o', quote(`UserKnownHostsFile="${knownHostsFile}"`));
  if (sshKeyFile !== undefined) ssh.push('-o', 'IdentitiesOnly=yes', '-i', quote(sshKeyFile));
  return {
    PATH: process.env['PATH'] ?? '/usr/bin:/bin',
    LC_ALL: 'C',
    HOME: '/nonexistent',
    GIT_CONFIG_NOSYSTEM: '1',
    GIT_CONFIG_GLOBAL: '/dev/null',
    GIT_TERMINAL_PROMPT: '0',
    GIT_ALLOW_PROTOCOL: protocols,
    GIT_SSH_COMMAND: ssh.join(' '),
    ...omitUndefined({
      GIT_SSL_CAINFO: caFile,
      http_proxy: proxy?.url,
      https_proxy: proxy?.url,
      no_proxy: proxy?.noProxy,
    }),
  };
}

/** Only `get` reaches the store: after a refusal git tells its helpers to erase the entry, but the file is the operator's. */
function toSettings({ credentialsFile, timeoutSeconds = 30 }: GitOptions): readonly string[] {
  // Git itself ends a stalled transfer, in case this process has died and cannot.
  const patience = ['http.lowSpeedLimit=1', `http.lowSpeedTime=${Math.ceil(timeoutSeconds)}`];
  const settings = patience.flatMap((setting) => ['-c', setting]);
  if (credentialsFile === undefined) return [...settings, '-c', 'credential.helper='];
  const store = `git credential-store --file=${quote(credentialsFile)} get`;
  return [...settings, '-c', `credential.helper=!f() { test "$1" != get || ${store}; }; f`];
}

/** Quotes for the shell with which git starts helpers and ssh. */
function quote(text: string): string {
  return `'${text.replaceAll("'", `'\\''`)}'`;
}

function requireData(kind: string, text: string, reason: Reason): void {
  if (!/^-|[\x00-\x1f\x7f]/.test(text)) return;
  throw new ServiceError(
    'invalid',
    `A ${kind} may not begin with "-" or contain control characters.`,
    { reason },
  );
}

function otherHashes(url: string): ServiceError {
  return new ServiceError(
    'invalid',
    `Repository ${hideCredentials(url)} has SHA-256 commits, which are not supported; it must have been made with --object-format=sha1.`,
    { reason: 'GIT_REF' },
  );
}

function unknownReference(url: string, ref: string): ServiceError {
  const repository = `Repository ${hideCredentials(url)}`;
  const fact =
    ref === ''
      ? 'has no default branch: it is empty'
      : `has no branch, tag or commit "${ref}" (a commit is given by all 40 digits)`;
  return new ServiceError('invalid', `${repository} ${fact}.`, { reason: 'GIT_REF' });
}
