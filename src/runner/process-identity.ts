import { readFileSync } from 'node:fs';
import { isAbsent } from './files.js';

/** Identifies a process even after its pid was reused or the machine was rebooted. */
export interface ProcessIdentity {
  readonly pid: number;
  /** Ticks since boot: field 22 of `/proc/<pid>/stat`. */
  readonly startTime: string;
  readonly bootId: string;
}

export interface ProcessStat {
  readonly pid: number;
  readonly parent: number;
  readonly state: string;
  readonly startTime: string;
}

/**
 * Undefined if there is no such process, or the kernel hides it. Reads synchronously, because the kernel answers from memory,
 * and because each of the many asynchronous reads would take a buffer of 64 KiB, which together make V8 run full collections.
 */
export function readProcess(pid: number): ProcessStat | undefined {
  try {
    return parseStat(pid, readFileSync(`/proc/${pid}/stat`, 'utf8'));
  } catch (error) {
    if (isAbsent(error) || isForbidden(error)) return undefined;
    throw error;
  }
}

/** Undefined if there is no such process. */
export function identify(pid: number): ProcessIdentity | undefined {
  const stat = readProcess(pid);
  return stat && { pid, startTime: stat.startTime, bootId: readBootId() };
}

/** A zombie counts as dead, because without anyone to reap it, it would stay forever. */
export function isAlive(identity: ProcessIdentity): boolean {
  const stat = readProcess(identity.pid);
  if (stat?.startTime !== identity.startTime || isDead(stat)) return false;
  return identity.bootId === readBootId();
}

export function isDead({ state }: ProcessStat): boolean {
  return state === 'Z' || state === 'X';
}

/** Signals exactly this process, if it still exists. False if it belongs to another user, so that we may not signal it. */
export function signalProcess(
  identity: Pick<ProcessIdentity, 'pid' | 'startTime'>,
  signal: NodeJS.Signals,
): boolean {
  if (readProcess(identity.pid)?.startTime !== identity.startTime) return true;
  try {
    process.kill(identity.pid, signal);
  } catch (error) {
    if (isForbidden(error)) return false;
    if (!isAbsent(error)) throw error;
  }
  return true;
}

function isForbidden(error: unknown): boolean {
  return ['EACCES', 'EPERM'].includes((error as NodeJS.ErrnoException).code ?? '');
}

function readBootId(): string {
  return readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim();
}

/** The second field is the program's name in parentheses, which may itself contain anything, including parentheses. */
function parseStat(pid: number, text: string): ProcessStat {
  const fields = text.slice(text.lastIndexOf(')') + 2).split(' ');
  return {
    pid,
    state: fields[0] ?? '',
    parent: Number(fields[1]),
    startTime: fields[19] ?? '',
  };
}
