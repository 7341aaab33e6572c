import { createHash, randomUUID } from 'node:crypto';
import {
  copyFile,
  mkdir,
  readdir,
  readFile,
  readlink,
  realpath,
  rename,
  rm,
  stat,
  utimes,
} from 'node:fs/promises';
import { dirname, join, relative } from 'node:path';
import { readNames, readText, replaceFile } from '../runner/files.js';
import { identify, isAlive, type ProcessIdentity } from '../runner/process-identity.js';
import { lockDirectory } from './directory-lock.js';

/** In the directory of the copies: a file for each worker, named after its pid. */
const WORKERS = '.workers';

/** The worker launches jobs from the copy with this digest. */
interface WorkerMark extends ProcessIdentity {
  readonly digest: string;
}

/**
 * Copies the package `job` of this version into the data directory, and returns the directory that contains the copy. Jobs run
 * from there, because each playbook loads our plugins when it starts: an installation may be replaced or removed while they
 * run. Copies of other versions are removed once no job runs from them and no worker launches any from them.
 */
export async function keepJobProgram(source: string, dataDirectory: string): Promise<string> {
  await mkdir(join(dataDirectory, 'programs', WORKERS), { recursive: true, mode: 0o700 });
  // As the system names the working directory of a job.
  const programs = await realpath(join(dataDirectory, 'programs'));
  const digest = await computeDigest(source);
  // Other workers may start at the same time.
  const lock = await lockDirectory(programs, 'worker that starts');
  try {
    await markWorker(programs, digest);
    await removeUnused(programs);
    await placeCopy(source, programs, digest);
  } finally {
    await lock.close();
  }
  return join(programs, digest);
}

async function markWorker(programs: string, digest: string): Promise<void> {
  const file = join(programs, WORKERS, String(process.pid));
  await replaceFile(file, JSON.stringify({ ...identify(process.pid), digest }));
}

async function removeUnused(programs: string): Promise<void> {
  const used = new Set([...(await listWorkingDirectories()), ...(await listOfWorkers(programs))]);
  for (const name of await readdir(programs)) {
    const copy = join(programs, name);
    if (name !== WORKERS && !used.has(copy)) await rm(copy, { recursive: true, force: true });
  }
}

/** The copies that workers use. Removes the marks of workers that have ended. */
async function listOfWorkers(programs: string): Promise<readonly string[]> {
  const used: string[] = [];
  for (const name of await readNames(join(programs, WORKERS))) {
    const file = join(programs, WORKERS, name);
    const mark = parseMark(await readText(file));
    if (mark !== undefined && isAlive(mark)) used.push(join(programs, mark.digest));
    else await rm(file, { force: true });
  }
  return used;
}

/** After a power failure the file may be empty or full of NUL, and then no worker is left either. */
function parseMark(text = ''): WorkerMark | undefined {
  try {
    return JSON.parse(text) as WorkerMark;
  } catch {
    return undefined;
  }
}

async function placeCopy(source: string, programs: string, digest: string): Promise<void> {
  const kept = join(programs, digest);
  // After a power failure a file of the copy may be empty.
  if ((await computeDigest(kept).catch(() => '')) === digest) return;
  const draft = join(programs, randomUUID());
  await copyProgram(source, draft);
  await rm(kept, { recursive: true, force: true });
  await rename(draft, kept);
}

async function computeDigest(directory: string): Promise<string> {
  const hash = createHash('sha256');
  for (const file of await listFiles(directory)) {
    if (isCompiled(file)) continue;
    const content = await readFile(join(directory, file));
    hash.update(`${file} ${content.length}\n`).update(content);
  }
  return hash.digest('hex').slice(0, 16);
}

/** Times stay, so that Python takes what it has compiled already. */
async function copyProgram(source: string, target: string): Promise<void> {
  for (const file of await listFiles(source)) {
    const [from, to] = [join(source, file), join(target, file)];
    await mkdir(dirname(to), { recursive: true, mode: 0o700 });
    try {
      const { atime, mtime } = await stat(from);
      await copyFile(from, to);
      await utimes(to, atime, mtime);
    } catch (error) {
      // Python may be replacing it.
      if (!isCompiled(file)) throw error;
    }
  }
}

/** The files of the package, without those of tools. */
async function listFiles(directory: string): Promise<readonly string[]> {
  const entries = await readdir(join(directory, 'job'), { recursive: true, withFileTypes: true });
  return entries
    .filter((entry) => entry.isFile())
    .map(({ parentPath, name }) => relative(directory, join(parentPath, name)))
    .filter((file) => !/\/\.|\.pyc\.\d+$/.test(file))
    .sort();
}

function isCompiled(file: string): boolean {
  return file.endsWith('.pyc');
}

/** The supervisor of a job works in the directory from which it was started. */
async function listWorkingDirectories(): Promise<ReadonlySet<string>> {
  const pids = (await readdir('/proc')).filter((name) => /^\d+$/.test(name));
  // A process may have ended meanwhile, or belong to another user, and then it is no job of ours.
  const found = pids.map((pid) => readlink(`/proc/${pid}/cwd`).catch(() => ''));
  return new Set(await Promise.all(found));
}
