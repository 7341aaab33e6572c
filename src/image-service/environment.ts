import { spawn } from 'node:child_process';
import { closeSync, openSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { readText } from '../runner/files.js';
import { identify, isAlive, type ProcessIdentity } from '../runner/process-identity.js';
import { endJobProcesses, findJobProcesses } from '../runner/process-tree.js';
import { toMark } from './job-record.js';
import { findKind } from './root-path.js';
import { toLastWords, toToolEnvironment } from './run-tool.js';
import { ENVIRONMENT_ROOT } from './sshd-config.js';
import type { ImageTools } from './tools.js';
import type { WorkPaths } from './work.js';

const READY_MILLISECONDS = 60_000;
const POLL_MILLISECONDS = 20;
/**
 * How often to check, after the flag was seen, whether commands have ended, and then whether connections are closed. A count
 * and not a time, so that a slow machine gets longer.
 */
const QUIET_LOOKS = 40;
const SETTLE_LOOKS = 6;

/**
 * Capabilities that sshd does not need. With them a playbook could change this machine, or make files that cannot be removed.
 */
const DENIED = ['sys_module', 'sys_time', 'sys_boot', 'sys_rawio', 'linux_immutable'];

/**
 * Script of the environment's first process, which has its own private mounts. It covers `/etc/passwd`, so that sshd finds
 * root's shell in the image, and the records of logins, so that sshd does not write into this machine's. The arguments after
 * the first five name what to mount in the image's root.
 */
const SCRIPT = `set -eu
sshd=$1 setpriv=$2 work=$3 root=$4 denied=$5
shift 5
mount --bind "$work/passwd" /etc/passwd
mount --bind "$work/shadow" /etc/shadow
for file in /run/utmp /var/log/wtmp /var/log/btmp /var/log/lastlog; do
  [ ! -f "$file" ] || mount --bind /dev/null "$file"
done
mount --bind "$work/root" "$root"
for name; do
  case $name in
    proc)
      mount -t proc proc "$root/proc"
      mount --bind "$root/proc/sys" "$root/proc/sys"
      mount -o remount,bind,ro "$root/proc/sys" ;;
    sys) mount -t sysfs -o ro sysfs "$root/sys" ;;
    dev)
      mount -t tmpfs -o mode=755 dev "$root/dev"
      for node in null:1:3 zero:1:5 full:1:7 random:1:8 urandom:1:9 tty:5:0; do
        device=\${node%%:*} numbers=\${node#*:}
        mknod -m 666 "$root/dev/$device" c "\${numbers%:*}" "\${numbers#*:}"
      done
      mkdir "$root/dev/pts" "$root/dev/shm"
      mount -t devpts -o newinstance,ptmxmode=0666,mode=620 devpts "$root/dev/pts"
      mount -t tmpfs -o mode=1777 shm "$root/dev/shm"
      ln -s pts/ptmx "$root/dev/ptmx"
      ln -s /proc/self/fd "$root/dev/fd"
      for name in 0:stdin 1:stdout 2:stderr; do ln -s "/proc/self/fd/\${name%:*}" "$root/dev/\${name#*:}"; done ;;
  esac
done
exec "$setpriv" --bounding-set "$denied" "$sshd" -D -e -f "$work/sshd-config"
`;

export interface EnvironmentOptions {
  readonly jobId: string;
  readonly work: WorkPaths;
  /** Whether the environment has `/proc`, `/sys` and `/dev`. */
  readonly withMounts: boolean;
}

/** Another program has taken the port. */
export class PortTaken extends Error {}

/**
 * Opens the image's root over SSH; once it returns, a login works. All processes and mounts end with the first process, whose
 * identity is returned. They outlive the service, which finds them again by that identity and by the mark in their environment
 * variables.
 */
export async function openEnvironment(
  tools: ImageTools,
  options: EnvironmentOptions,
  signal: AbortSignal,
): Promise<ProcessIdentity> {
  const { jobId, work } = options;
  for (const folder of ['/run/sshd', ENVIRONMENT_ROOT]) await mkdir(folder, { recursive: true });
  const output = openSync(work.ssh.log, 'w', 0o600);
  const child = spawn(tools.unshare, await toArguments(tools, options), {
    cwd: '/',
    detached: true,
    stdio: ['ignore', output, output],
    env: toToolEnvironment(toMark(jobId)),
  });
  closeSync(output);
  child.once('error', () => undefined);
  child.unref();
  const identity = child.pid === undefined ? undefined : identify(child.pid);
  if (identity !== undefined && (await isListening(identity, work.ssh.log, signal)))
    return identity;
  await closeEnvironment(jobId);
  const said = toLastWords((await readText(work.ssh.log)) ?? '');
  if (/address already in use|cannot bind/i.test(said)) throw new PortTaken(said);
  throw new Error(`sshd did not start in the image: ${said}`);
}

/** Ends every process of the job; the mounts end with the last. May be repeated. */
export async function closeEnvironment(jobId: string): Promise<void> {
  await endJobProcesses(toMark(jobId), 0, new AbortController().signal);
}

/**
 * Waits until no command runs in the environment any more and all connections are closed, but only for a limited time: commands
 * may continue, and connections may stay open.
 */
export async function awaitQuiet(jobId: string, signal: AbortSignal): Promise<void> {
  const pauseWhile = async (isBusy: (names: readonly string[]) => boolean, looks: number) => {
    for (let left = looks; left > 0 && isBusy(await readNames(jobId)); left -= 1)
      await delay(POLL_MILLISECONDS, undefined, { signal });
  };
  await pauseWhile((names) => names.some((name) => !/^(?:sshd|unshare)/.test(name)), QUIET_LOOKS);
  // One of them is the listening sshd.
  await pauseWhile(
    (names) => names.filter((name) => name.startsWith('sshd')).length > 1,
    SETTLE_LOOKS,
  );
}

async function readNames(jobId: string): Promise<readonly string[]> {
  const processes = await findJobProcesses(toMark(jobId));
  const names = await Promise.all(processes.map(({ pid }) => readText(`/proc/${pid}/comm`)));
  return names.filter((name) => name !== undefined);
}

async function toArguments(
  { setpriv, sshd }: ImageTools,
  { work, withMounts }: EnvironmentOptions,
): Promise<string[]> {
  const isolation = ['--mount', '--propagation', 'private', '--pid', '--fork', '--kill-child'];
  const denied = DENIED.map((name) => `-${name}`).join(',');
  const mounts: string[] = [];
  for (const name of withMounts ? ['proc', 'sys', 'dev'] : [])
    if ((await findKind(join(work.root, name))) === 'directory') mounts.push(name);
  const words = [sshd, setpriv, work.directory, ENVIRONMENT_ROOT, denied, ...mounts];
  return [...isolation, '/bin/sh', '-c', SCRIPT, 'environment', ...words];
}

/**
 * Reads sshd's log until it says that it listens. Asking the port would prove nothing, because another server may answer there.
 */
async function isListening(
  identity: ProcessIdentity,
  logFile: string,
  signal: AbortSignal,
): Promise<boolean> {
  const deadline = performance.now() + READY_MILLISECONDS;
  while (performance.now() < deadline && isAlive(identity)) {
    if ((await readText(logFile))?.includes('Server listening on') === true) return true;
    await delay(POLL_MILLISECONDS, undefined, { signal });
  }
  return false;
}
