import { createHash } from 'node:crypto';
import { realpath, rename } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { invalid } from '../core/errors.js';
import { exists, isAbsent, readText, removeTree } from './files.js';
import { nameRemoval } from './leftovers.js';
import type { PhaseRecord } from './phase-record.js';
import type { ProcessIdentity } from './process-identity.js';

/** Directory of a job's temporary files; the environment of jobs names no other. */
const TEMPORARY_FILES = '/tmp';
const SAFE_NAME = /^[A-Za-z0-9][A-Za-z0-9._-]*$/;

export function isFileName(name: string): boolean {
  return SAFE_NAME.test(name);
}

/** Refuses names that could lead out of the directory. */
export function checkFileName(kind: string, name: string): string {
  if (!isFileName(name)) throw invalid(`${kind} "${name}" cannot be the name of a file.`);
  return name;
}

/** The files of one job, through which `job/` and the runner communicate. */
export function jobPaths(directory: string) {
  return {
    directory,
    incarnation: join(directory, 'incarnation'),
    job: join(directory, 'job.json'),
    released: join(directory, 'released'),
    stopped: join(directory, 'stopped'),
    /** Set by the runner when it ends the job, so that a phase left open is `stopped` and not `lost`. */
    ending: join(directory, 'ending'),
    ended: join(directory, 'ended'),
    supervisor: join(directory, 'supervisor.json'),
    supervisorLog: join(directory, 'supervisor.log'),
    secrets: join(directory, 'secrets'),
    files: join(directory, 'files'),
    workspace: join(directory, 'workspace'),
    phases: join(directory, 'phases'),
    logs: join(directory, 'logs'),
    results: join(directory, 'results'),
    phase: (name: string) => join(directory, 'phases', `${name}.json`),
    log: (name: string) => join(directory, 'logs', `${name}.log`),
    /** `<base64>:<hmac>`, as job/report.py describes it. Jobs of earlier versions have none. */
    signedResults: (name: string) => join(directory, 'results', `${name}.signed`),
  };
}
export type JobPaths = ReturnType<typeof jobPaths>;

/** The part of `job.json` that the runner needs. */
export interface JobPlan {
  readonly phases: readonly string[];
  readonly graceSeconds: number;
}

export async function readPlan({ job }: JobPaths): Promise<JobPlan | undefined> {
  const file = (await readJson(job)) as
    { phases: { name: string }[]; grace_seconds: number } | undefined;
  return (
    file && {
      phases: file.phases.map(({ name }) => name),
      graceSeconds: file.grace_seconds,
    }
  );
}

export async function readSupervisor({
  supervisor,
}: JobPaths): Promise<ProcessIdentity | undefined> {
  const file = (await readJson(supervisor)) as
    { pid: number; start_time: number | string; boot_id: string } | undefined;
  return file && { pid: file.pid, startTime: String(file.start_time), bootId: file.boot_id.trim() };
}

export async function readPhase(paths: JobPaths, phase: string): Promise<PhaseRecord | undefined> {
  return (await readJson(paths.phase(phase))) as PhaseRecord | undefined;
}

/** Renames the directory before removing it, so that nobody sees half of it. */
export async function removeDirectory(jobsDirectory: string, directory: string): Promise<void> {
  const doomed = join(jobsDirectory, nameRemoval());
  try {
    await rename(directory, doomed);
  } catch (error) {
    if (isAbsent(error)) return;
    throw error;
  }
  await removeTree(doomed);
}

/** Removes the only thing of a job outside its directory: the folder of its sockets, named as in `job/settings.py`. */
export async function removeSocketFolder({ directory }: JobPaths): Promise<void> {
  const jobs = dirname(directory);
  const real = join((await exists(jobs)) ? await realpath(jobs) : jobs, basename(directory));
  const digest = createHash('sha256').update(real).digest('hex');
  const folder = join(TEMPORARY_FILES, `keelson-ssh-${digest.slice(0, 12)}`);
  await removeTree(folder);
}

async function readJson(path: string): Promise<unknown> {
  const text = await readText(path);
  // Empty if the machine lost power before the content was on the disk.
  return text === undefined || text === '' ? undefined : JSON.parse(text);
}
