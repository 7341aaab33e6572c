import { randomUUID } from 'node:crypto';
import { mkdir, rename, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { isAbsent, readNames, readText } from '../runner/files.js';

export type Arch = 'x86_64' | 'aarch64';

/** An object in the bucket, under its name in IMS. */
export interface Link {
  readonly type: 's3';
  readonly path: string;
  readonly etag: string;
}

export interface ImageRecord {
  readonly id: string;
  readonly created: string;
  readonly name: string;
  readonly arch: Arch;
  readonly metadata: Readonly<Record<string, string>>;
  /** The manifest. Absent until there is one. */
  readonly link?: Link;
}

export interface KeyRecord {
  readonly id: string;
  readonly created: string;
  readonly name: string;
  readonly publicKey: string;
}

/** One file per record, replaced as a whole: every reader, also in another process, sees the old content or the new. */
export interface Records<T> {
  /** In order of creation. */
  list(): Promise<readonly T[]>;
  find(id: string): Promise<T | undefined>;
  save(record: T): Promise<void>;
  /** False if there was none. */
  remove(id: string): Promise<boolean>;
}

const FILE = /^(?<id>[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})\.json$/;
const DRAFT = /\.json\.[0-9a-f-]+$/;
/** No write of a record takes this long: an older draft was left by a process that died. */
const DRAFT_MILLISECONDS = 60_000;

export function createRecords<T extends { readonly id: string; readonly created: string }>(
  directory: string,
): Records<T> {
  const toFile = (id: string) => join(directory, `${id}.json`);
  const find = async (id: string) => {
    // Anything but an id could be a path that leads elsewhere.
    if (!FILE.test(`${id}.json`)) return undefined;
    const text = await readText(toFile(id));
    return text === undefined ? undefined : (JSON.parse(text) as T);
  };
  return {
    find,

    async list() {
      const ids = (await readNames(directory)).flatMap(
        (name) => FILE.exec(name)?.groups?.['id'] ?? [],
      );
      const found = await Promise.all(ids.map(find));
      return found.filter((record) => record !== undefined).sort(byCreation);
    },

    async save(record) {
      const draft = `${toFile(record.id)}.${randomUUID()}`;
      try {
        await writeFile(draft, `${JSON.stringify(record)}\n`, { mode: 0o600, flush: true });
        await rename(draft, toFile(record.id));
      } catch (error) {
        await rm(draft, { force: true });
        throw error;
      }
    },

    async remove(id) {
      if ((await find(id)) === undefined) return false;
      try {
        await rm(toFile(id));
        return true;
      } catch (error) {
        if (isAbsent(error)) return false;
        throw error;
      }
    },
  };
}

/** Creates the directory if necessary, and removes drafts from it that a process left when it died. */
export async function prepareRecords(directory: string): Promise<void> {
  await mkdir(directory, { recursive: true, mode: 0o700 });
  for (const name of (await readNames(directory)).filter((each) => DRAFT.test(each))) {
    const file = join(directory, name);
    const age = Date.now() - (await stat(file)).mtimeMs;
    if (age > DRAFT_MILLISECONDS) await rm(file, { force: true });
  }
}

/**
 * Returns a clock for `created`: UTC to the microsecond, without a zone, as IMS writes it. No time is returned twice, because
 * lists are sorted by it.
 */
export function createClock(): () => string {
  let last = 0;
  return () => {
    last = Math.max(Date.now() * 1000, last + 1);
    const time = new Date(Math.floor(last / 1000)).toISOString().slice(0, -1);
    return `${time}${String(last % 1000).padStart(3, '0')}`;
  };
}

export function toTime(created: string): number {
  return Date.parse(`${created}Z`);
}

function byCreation(
  left: { readonly created: string },
  right: { readonly created: string },
): number {
  return left.created < right.created ? -1 : Number(left.created > right.created);
}
