import {
  createWriteStream,
  existsSync,
  mkdirSync,
  readFileSync,
  renameSync,
  rmSync,
} from 'node:fs';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import type { RecordStore } from './record-store.js';
import { isRecord, toOptionRecords, type Kind, type WireRecord } from './records.js';

interface ExportOptions {
  readonly onProgress: (kind: Kind, done: number) => void;
  readonly signal: AbortSignal;
}

/**
 * `components.json` is `{"components": [...]}` like the v3 list, `options.json` like the v3 options. Existing files stay as
 * they are until all records of all kinds are read. Returns the number of records of each kind.
 */
export async function exportRecords(
  recordStore: RecordStore,
  kinds: readonly Kind[],
  directory: string,
  options: ExportOptions,
): Promise<Readonly<Record<string, number>>> {
  mkdirSync(directory, { recursive: true });
  const counts: Record<string, number> = {};
  try {
    for (const kind of kinds)
      counts[kind] = await exportKind(recordStore, kind, toUnfinished(directory, kind), options);
    for (const kind of kinds) renameSync(toUnfinished(directory, kind), toPath(directory, kind));
    return counts;
  } finally {
    for (const kind of kinds) rmSync(toUnfinished(directory, kind), { force: true });
  }
}

async function exportKind(
  recordStore: RecordStore,
  kind: Kind,
  path: string,
  { onProgress, signal }: ExportOptions,
): Promise<number> {
  let count = 0;
  async function* render() {
    yield kind === 'options' ? '{' : `{"${kind}": [`;
    for await (const records of recordStore.read(kind, signal)) {
      for (const record of records) {
        yield count === 0 ? '\n' : ',\n';
        count += 1;
        yield kind === 'options' ? renderOption(record) : JSON.stringify(record);
      }
      onProgress(kind, count);
    }
    yield kind === 'options' ? '\n}\n' : '\n]}\n';
  }
  await pipeline(Readable.from(render()), createWriteStream(path), { signal });
  return count;
}

function renderOption({ name, value }: WireRecord): string {
  return `  ${JSON.stringify(name)}: ${JSON.stringify(value)}`;
}

/** Undefined if there is no such file. */
export function readExported(directory: string, kind: Kind): readonly WireRecord[] | undefined {
  const path = toPath(directory, kind);
  if (!existsSync(path)) return undefined;
  const content = parseFile(path);
  if (kind === 'options' && isRecord(content)) return toOptionRecords(content);
  const list = isRecord(content) ? content[kind] : content;
  if (!Array.isArray(list) || !list.every(isRecord))
    throw new Error(`${path}: not a list of ${kind} in the form of GET /v3/${kind}.`);
  return list;
}

function parseFile(path: string): unknown {
  try {
    return JSON.parse(readFileSync(path, 'utf8')) as unknown;
  } catch (error) {
    throw new Error(`${path}: ${error instanceof Error ? error.message : String(error)}`, {
      cause: error,
    });
  }
}

function toUnfinished(directory: string, kind: Kind): string {
  return `${toPath(directory, kind)}.new`;
}

function toPath(directory: string, kind: Kind): string {
  return join(directory, `${kind}.json`);
}
