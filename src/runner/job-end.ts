import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { missing } from '../core/errors.js';
import type { PhaseResult } from '../core/job.js';
import { exists, mark, removeTree, replaceFile } from './files.js';
import {
  readPhase,
  readPlan,
  readSupervisor,
  removeSocketFolder,
  type JobPaths,
  type JobPlan,
} from './job-directory.js';
import type { JobWatch } from './job-watch.js';
import { closePhases, toPhaseResult, toStoppedResult } from './phase-record.js';
import { isAlive, signalProcess, type ProcessIdentity } from './process-identity.js';
import { endJobProcesses } from './process-tree.js';

const POLL_MILLISECONDS = 50;
/** A lost job is reported within ten seconds, whatever its grace time. */
const LOST_GRACE_SECONDS = 5;

export async function waitForPhase(
  watch: JobWatch,
  jobId: string,
  paths: JobPaths,
  phase: string,
  { startSeconds, signal }: { readonly startSeconds: number; readonly signal: AbortSignal },
): Promise<PhaseResult> {
  const began = performance.now();
  const plan = await readPlan(paths);
  if (plan === undefined) return endLostJob(jobId, paths, 0, signal);
  if (!plan.phases.includes(phase)) throw missing('Phase', `${phase} of ${jobId}`);
  return watch.until(paths, signal, async () => {
    const supervisor = await readSupervisor(paths);
    // Checked before the record is read, so that what a supervisor wrote just before its death counts.
    const alive = supervisor !== undefined && isAlive(supervisor);
    const result = await readResult(paths, phase);
    if (result !== undefined || alive) return result;
    const isThere = await exists(paths.job);
    if (isThere && supervisor === undefined) {
      if (await exists(paths.stopped)) return toStoppedResult(plan.phases, phase);
      if (performance.now() - began < startSeconds * 1000) return undefined;
      // A supervisor that starts after all finds this mark and runs nothing.
      await mark(paths.stopped);
    }
    const lost = await endLostJob(jobId, paths, plan.graceSeconds, signal);
    if (!isThere) return lost;
    await closeJob(paths, plan);
    return (await readResult(paths, phase)) ?? lost;
  });
}

/** Resolves when nothing of the job runs that this process can end. */
export async function stopJob(
  jobId: string,
  paths: JobPaths,
  slackSeconds: number,
  signal: AbortSignal,
): Promise<void> {
  const plan = await readPlan(paths);
  if (plan === undefined || !(await mark(paths.stopped))) return;
  const supervisor = await readSupervisor(paths);
  const wasAlive = supervisor !== undefined && isAlive(supervisor);
  // From now on an open phase is one that we stop, unless the job was already lost.
  if (wasAlive || supervisor === undefined) await mark(paths.ending);
  if (wasAlive) {
    signalProcess(supervisor, 'SIGTERM');
    await waitForDeath(supervisor, plan.graceSeconds + slackSeconds, signal);
  }
  await endJobProcesses(jobId, 0, signal, supervisor?.startTime);
  await removeSocketFolder(paths);
  await closeJob(paths, plan);
}

/** Ends what is left of the job, so that nothing of it keeps running unnoticed. */
async function endLostJob(
  jobId: string,
  paths: JobPaths,
  graceSeconds: number,
  signal: AbortSignal,
): Promise<PhaseResult> {
  await endJobProcesses(jobId, Math.min(graceSeconds, LOST_GRACE_SECONDS) * 1000, signal);
  await removeSocketFolder(paths);
  return { kind: 'killed', reason: 'lost' };
}

async function readResult(paths: JobPaths, phase: string): Promise<PhaseResult | undefined> {
  const record = await readPhase(paths, phase);
  return record && toPhaseResult(record);
}

async function waitForDeath(
  supervisor: ProcessIdentity,
  seconds: number,
  signal: AbortSignal,
): Promise<void> {
  const deadline = performance.now() + seconds * 1000;
  while (performance.now() < deadline && isAlive(supervisor))
    await delay(POLL_MILLISECONDS, undefined, { signal });
}

/** Does what a dead supervisor could not: closes its phases and removes the secrets. Called when nothing runs any more. */
async function closeJob(paths: JobPaths, plan: JobPlan): Promise<void> {
  if (await exists(paths.ended)) return;
  // Confidential files first, which also makes room on a full disk. If the wrapper died too, nobody has redacted the results.
  await removeTree(paths.results);
  await removeTree(paths.secrets);
  await removeTree(join(paths.workspace, 'ssh'));
  if ((await readSupervisor(paths)) !== undefined) {
    const records = await Promise.all(
      plan.phases.map(async (phase) => ({ phase, record: await readPhase(paths, phase) })),
    );
    const killed = (await exists(paths.ending)) ? 'stopped' : 'lost';
    for (const { phase, record } of closePhases(records, killed, new Date().toISOString()))
      await replaceFile(paths.phase(phase), JSON.stringify(record));
  }
  await mark(paths.ended);
}
