import { readdir, readFile } from 'node:fs/promises';
import { setTimeout as delay, setImmediate as yieldToOthers } from 'node:timers/promises';
import { isDead, readProcess, signalProcess, type ProcessStat } from './process-identity.js';

const POLL_MILLISECONDS = 50;
/** How long to wait for a process that SIGKILL does not end, because it is stuck in the kernel (a dead network mount). */
const UNKILLABLE_MILLISECONDS = 30_000;
/** The same if only processes of other users are left, which we may not signal. */
const FOREIGN_MILLISECONDS = 2000;
/** Number of processes that are read without a break, which takes some milliseconds. */
const READS_AT_ONCE = 250;
/** A limit, because processes may be started all the time. */
const MOST_LOOKS = 5;

/**
 * Ends every process of a job, found by its environment, which daemons outside the process group still have, or by descent from
 * such a process. SIGTERM goes only to the topmost ones, because a wrapper ends its own tree; orphans then become topmost.
 * After the grace time SIGKILL goes to all. What cannot be ended is given up after a while. `since`: the start time of the
 * job's first process, if known.
 */
export async function endJobProcesses(
  jobId: string,
  graceMilliseconds: number,
  signal: AbortSignal,
  since?: string,
): Promise<void> {
  const deadline = performance.now() + graceMilliseconds;
  const told = new Set<string>();
  for (;;) {
    const processes = await findJobProcesses(jobId, since);
    if (processes.length === 0) return;
    if (performance.now() >= deadline) {
      const signalled = processes.map((one) => signalProcess(one, 'SIGKILL'));
      const patience = signalled.includes(true) ? UNKILLABLE_MILLISECONDS : FOREIGN_MILLISECONDS;
      if (performance.now() >= deadline + patience) return;
    } else
      for (const top of findTops(processes)) {
        const key = `${top.pid} ${top.startTime}`;
        if (!told.has(key)) terminate(top);
        told.add(key);
      }
    await delay(POLL_MILLISECONDS, undefined, { signal });
  }
}

/** SIGCONT too, because a stopped process (SIGSTOP) would not see the SIGTERM. */
function terminate(process: ProcessStat): void {
  signalProcess(process, 'SIGTERM');
  signalProcess(process, 'SIGCONT');
}

function findTops(processes: readonly ProcessStat[]): readonly ProcessStat[] {
  const pids = new Set(processes.map(({ pid }) => pid));
  return processes.filter(({ parent }) => !pids.has(parent));
}

/**
 * Finds every live process whose environment names the job, and all descendants of such processes. With `since`, environments
 * of older processes are not read, as there may be thousands. Also looks at processes started meanwhile: their parent may have
 * ended before it was read, and nothing else links them to the job.
 */
export async function findJobProcesses(
  jobId: string,
  since = '0',
): Promise<readonly ProcessStat[]> {
  const processes = new Map<number, ProcessStat>();
  const marked = new Set<number>();
  const read = async (pids: readonly number[]) => {
    for (const [index, pid] of pids.entries()) {
      if (index % READS_AT_ONCE === READS_AT_ONCE - 1) await yieldToOthers();
      const stat = readProcess(pid);
      if (stat === undefined || isDead(stat)) continue;
      processes.set(pid, stat);
      if (Number(stat.startTime) >= Number(since) && (await isMarked(pid, jobId))) marked.add(pid);
    }
  };
  const known = new Set<number>();
  for (let looks = 0; looks < MOST_LOOKS; looks += 1) {
    const fresh = (await listPids()).filter((pid) => !known.has(pid));
    if (fresh.length === 0) break;
    await read(fresh);
    for (const pid of fresh) known.add(pid);
  }
  return [...processes.values()].filter(({ pid }) => hasMarkedAncestor(pid, processes, marked));
}

async function listPids(): Promise<readonly number[]> {
  return (await readdir('/proc')).filter((name) => /^\d+$/.test(name)).map(Number);
}

function hasMarkedAncestor(
  pid: number,
  processes: ReadonlyMap<number, ProcessStat>,
  marked: ReadonlySet<number>,
): boolean {
  const seen = new Set<number>();
  for (let current = pid; current > 1 && !seen.has(current);) {
    if (marked.has(current)) return true;
    seen.add(current);
    current = processes.get(current)?.parent ?? 0;
  }
  return false;
}

async function isMarked(pid: number, jobId: string): Promise<boolean> {
  try {
    const environment = await readFile(`/proc/${pid}/environ`, 'latin1');
    return environment.split('\0').includes(`KEELSON_JOB=${jobId}`);
  } catch {
    // The process is gone or belongs to another user; it is not ours in either case.
    return false;
  }
}
