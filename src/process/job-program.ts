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

/**
 * Copies the package `job` of this version into the data directory, and returns the directory that contains the copy. Jobs run
 * from there, because each playbook loads our plugins when it starts: an installation may be replaced or removed while they
 * run. Copies of other versions are removed once no job runs from them. Call it only while no other worker uses the directory.
 */
export async function keepJobProgram(source: string, dataDirectory: string): Promise<string> {
  await mkdir(join(dataDirectory, 'programs'), { recursive: true, mode: 0o700 });
  // As the system names the working directory of a job.
  const programs = await realpath(join(dataDirectory, 'programs'));
  const digest = await computeDigest(source);
  const kept = join(programs, digest);
  // After a power failure a file of the copy may be empty.
  if ((await computeDigest(kept).catch(() => '')) !== digest) {
    const draft = join(programs, randomUUID());
    await copyProgram(source, draft);
    await rm(kept, { recursive: true, force: true });
    await rename(draft, kept);
  }
  const used = await listWorkingDirectories();
  for (const name of await readdir(programs)) {
    const other = join(programs, name);
    if (name !== digest && !used.has(other)) await rm(other, { recursive: true, force: true });
  }
  return kept;
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
