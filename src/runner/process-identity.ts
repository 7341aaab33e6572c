import { readFileSync } from 'node:fs';
import { isAbsent } from './files.js';

/** One process, and not another that got its number later: not even after a reboot. */
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
 * Undefined where there is no such process, or none that the kernel shows us. Read at once: the kernel has it in memory and
 * waits for nobody, and each of the many reads would take 64 KiB of buffer, whose sum makes V8 collect everything.
 */
export function readProcess(pid: number): ProcessStat | undefined {
  try {
    return parseStat(pid, readFileSync(`/proc/${pid}/stat`, 'utf8'));
  } catch (error) {
    if (isAbsent(error) || isForbidden(error)) return undefined;
    throw error;
  }
}

/** Undefined where there is no such process. */
export function identify(pid: number): ProcessIdentity | undefined {
  const stat = readProcess(pid);
  return stat && { pid, startTime: stat.startTime, bootId: readBootId() };
}

/** A zombie counts as dead: where nobody reaps, it would stay for ever. */
export function isAlive(identity: ProcessIdentity): boolean {
  const stat = readProcess(identity.pid);
  if (stat?.startTime !== identity.startTime || isDead(stat)) return false;
  return identity.bootId === readBootId();
}

export function isDead({ state }: ProcessStat): boolean {
  return state === 'Z' || state === 'X';
}

/** Sends to this very process; gone is no error. False where it is another user's, which we may not signal. */
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

/** The second field is the program's name in parentheses and may hold anything, parentheses too. */
function parseStat(pid: number, text: string): ProcessStat {
  const fields = text.slice(text.lastIndexOf(')') + 2).split(' ');
  return {
    pid,
    state: fields[0] ?? '',
    parent: Number(fields[1]),
    startTime: fields[19] ?? '',
  };
}
