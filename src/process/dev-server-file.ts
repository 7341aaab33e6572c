import { execFile } from 'node:child_process';
import { existsSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { toChildEnvironment } from './child.js';
import type { Logger } from './logger.js';

/** SQLite's messages for a file that is no database, is damaged, or lacks tables that the server expects. */
const UNREADABLE = /not a database|malformed|no such (table|column)/;
/** A slow disk takes many seconds to read a program of 150 MB for the first time. */
const VERSION_MS = 60_000;

/**
 * Holds everything that a Temporal dev server knows. Nothing is lost with it, because the sweep gives sessions new workflows.
 */
export interface DevServerFile {
  readonly path: string;
  /** Lets the next server begin with a new file. The old one is kept beside it, until another is set aside. */
  setAside(why: string): void;
}

/** A file that another version of the server made is set aside, because the server may start on it and fail later. */
export async function openDevServerFile(
  cli: string,
  directory: string,
  logger: Logger,
): Promise<DevServerFile> {
  const path = join(directory, 'temporal.db');
  const setAside = (why: string) => {
    for (const suffix of ['', '-wal', '-shm', '-journal']) {
      rmSync(`${path}.old${suffix}`, { force: true });
      if (existsSync(path + suffix)) renameSync(path + suffix, `${path}.old${suffix}`);
    }
    logger.warn(
      { file: `${path}.old`, why },
      'the file of the temporal dev server is set aside; sessions that are not complete get new workflows',
    );
  };
  const versionFile = join(directory, 'temporal-version');
  const version = await readVersion(cli);
  const former = existsSync(versionFile) ? readFileSync(versionFile, 'utf8').trim() : version;
  if (former !== version && existsSync(path)) setAside(`made by ${former}, not by ${version}`);
  writeFileSync(versionFile, `${version}\n`);
  return { path, setAside };
}

/** Whether the server ended because it cannot read its file, and not because of its port or a full disk. */
export function isUnreadable(output: string): boolean {
  return UNREADABLE.test(output);
}

/** The version of the server, from output such as `temporal version 1.5.1 (Server 1.29.1, UI 2.42.1)`. */
async function readVersion(cli: string): Promise<string> {
  try {
    const { stdout } = await promisify(execFile)(cli, ['--version'], {
      env: toChildEnvironment(),
      timeout: VERSION_MS,
    });
    return /Server [\w.-]+/.exec(stdout)?.[0] ?? stdout.trim();
  } catch (cause) {
    throw new Error(`TEMPORAL_CLI: ${cli} cannot be started. Run npm run setup.`, { cause });
  }
}
