import { createWriteStream, existsSync, mkdirSync, readFileSync, renameSync } from 'node:fs';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import type { RecordStore } from './record-store.js';
import { isRecord, toOptionRecords, type Kind, type WireRecord } from './records.js';

/**
 * `components.json` is `{"components": [...]}` as the v3 list, `options.json` as the v3 options. Until all is read, a file from
 * before stays as it is.
 */
export async function exportKind(
  recordStore: RecordStore,
  kind: Kind,
  directory: string,
  { onProgress, signal }: { onProgress: (done: number) => void; signal: AbortSignal },
): Promise<number> {
  mkdirSync(directory, { recursive: true });
  let count = 0;
  async function* render() {
    yield kind === 'options' ? '{' : `{"${kind}": [`;
    for await (const records of recordStore.read(kind, signal)) {
      for (const record of records) {
        yield count === 0 ? '\n' : ',\n';
        count += 1;
        yield kind === 'options' ? renderOption(record) : JSON.stringify(record);
      }
      onProgress(count);
    }
    yield kind === 'options' ? '\n}\n' : '\n]}\n';
  }
  const path = toPath(directory, kind);
  const unfinished = `${path}.new`;
  await pipeline(Readable.from(render()), createWriteStream(unfinished), { signal });
  renameSync(unfinished, path);
  return count;
}

function renderOption({ name, value }: WireRecord): string {
  return `  ${JSON.stringify(name)}: ${JSON.stringify(value)}`;
}

/** Undefined: there is no such file. */
export function readExported(directory: string, kind: Kind): readonly WireRecord[] | undefined {
  const path = toPath(directory, kind);
  if (!existsSync(path)) return undefined;
  const content = parseFile(path);
  if (kind === 'options' && isRecord(content)) return toOptionRecords(content);
  const list = isRecord(content) ? content[kind] : content;
  if (!Array.isArray(list) || !list.every(isRecord))
    throw new Error(`${path}: is no list of ${kind} as GET /v3/${kind} answers it.`);
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

function toPath(directory: string, kind: Kind): string {
  return join(directory, `${kind}.json`);
}
