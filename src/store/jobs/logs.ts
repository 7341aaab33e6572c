import { promisify } from 'node:util';
import { gunzip, gzip as gzipCallback } from 'node:zlib';
import { missing } from '../../core/errors.js';
import type { Database } from '../database/database.js';
import { createAppend, type Append } from './log-append.js';
import { appendNote, handOver } from './log-notes.js';
import { requireOpen } from './phase-rows.js';
import type { AppendResult, LogStore, RecordedGap } from '../store.js';

const compress = promisify(gzipCallback);
const decompress = promisify(gunzip);

/** Chunks that are read at a time. Many are tiny, and a large one has about 1 MiB. */
const READ_AHEAD = 16;
const NEWLINE = 0x0a;

interface Phase {
  readonly jobId: string;
  readonly phase: string;
}

interface Chunk {
  readonly end: number;
  readonly bytes: Uint8Array;
  readonly gap?: string;
}

type LogDatabase = Database & { readonly append: Append };

export function createLogStore(given: Database): LogStore {
  const database = { ...given, append: createAppend(given) };
  return {
    append: (jobId, phase, offset, bytes, gzip) =>
      appendLog(database, { jobId, phase }, offset, bytes, gzip),
    appendLine: (jobId, phase, line) => appendNote(database, jobId, phase, line),
    handOver: (jobId, phase) => handOver(database, jobId, phase),
    recordGap: (jobId, phase, message) => recordGap(database, { jobId, phase }, message),
    findGap: (jobId, phase) => findGap(database, { jobId, phase }),
    read: (jobId, phase, offset) => readLog(database, { jobId, phase }, offset),
    tail: (jobId, phase, limit) => readTail(database, { jobId, phase }, limit),
  };
}

/**
 * Compresses outside the transaction, and reads the end again if somebody else has appended meanwhile. Bytes that come
 * compressed nearly always belong at the end, so the end is read only if they do not.
 */
async function appendLog(
  database: LogDatabase,
  phase: Phase,
  offset: number,
  bytes: Uint8Array,
  gzip?: Uint8Array,
): Promise<AppendResult> {
  const asItCame = gzip !== undefined && gzip.length <= bytes.length ? gzip : undefined;
  if (asItCame !== undefined && bytes.length > 0) {
    if (await appendChunk(database, phase, offset, { bytes, gzip: asItCame })) {
      return { kind: 'stored', end: offset + bytes.length };
    }
  }
  for (;;) {
    const { end, isSealed } = await readEnd(database, phase);
    if (isSealed) {
      return (await isStored(database, phase, offset, bytes))
        ? { kind: 'stored', end }
        : { kind: 'sealed' };
    }
    if (offset > end) return { kind: 'mismatch', expected: end };
    const fresh = bytes.subarray(end - offset);
    if (fresh.length === 0) return { kind: 'stored', end };
    const gzipOf = offset === end ? asItCame : undefined;
    const chunk = { bytes: fresh, gzip: gzipOf ?? (await compress(fresh)) };
    if (await appendChunk(database, phase, end, chunk)) {
      return { kind: 'stored', end: end + fresh.length };
    }
  }
}

async function isStored(
  database: Database,
  phase: Phase,
  offset: number,
  bytes: Uint8Array,
): Promise<boolean> {
  let compared = 0;
  for await (const stored of readLog(database, phase, offset)) {
    const expected = bytes.subarray(compared, compared + stored.length);
    if (!Buffer.from(expected).equals(stored.subarray(0, expected.length))) return false;
    compared += expected.length;
    if (compared === bytes.length) return true;
  }
  return compared === bytes.length;
}

/** False if the end has moved or the phase is sealed. */
async function appendChunk(
  { append }: LogDatabase,
  { jobId, phase }: Phase,
  from: number,
  { bytes, gzip }: { readonly bytes: Uint8Array; readonly gzip: Uint8Array },
  gap?: string,
): Promise<boolean> {
  const end = from + bytes.length;
  return append({ jobId, phase, from, end, gap: gap ?? null, gzip });
}

async function recordGap(database: LogDatabase, phase: Phase, message: string): Promise<void> {
  for (;;) {
    const { end } = await readEnd(database, phase);
    const last = await readLast(database, phase);
    // Nothing was appended since, so it is the same gap, recorded again by somebody who did not know of the first.
    if (last?.gap !== undefined) return;
    const lineBreak = last === undefined || last.bytes.at(-1) === NEWLINE ? '' : '\n';
    const line = Buffer.from(`${lineBreak}${message}\n`);
    if (last !== undefined && last.end !== end) continue;
    const chunk = { bytes: line, gzip: await compress(line) };
    if (await appendChunk(database, phase, end, chunk, message)) return;
    await database.read((db) => requireOpen(db, phase.jobId, phase.phase));
  }
}

async function findGap(
  { read }: Database,
  { jobId, phase }: Phase,
): Promise<RecordedGap | undefined> {
  const row = await read((db) =>
    db
      .selectFrom('log_chunks')
      .innerJoin('phases', (join) =>
        join
          .onRef('phases.job_id', '=', 'log_chunks.job_id')
          .onRef('phases.name', '=', 'log_chunks.phase'),
      )
      .select(['end_offset', 'size', 'log_bytes'])
      .where('log_chunks.job_id', '=', jobId)
      .where('log_chunks.phase', '=', phase)
      .where('gap', 'is not', null)
      .orderBy('end_offset', 'desc')
      .limit(1)
      .executeTakeFirst(),
  );
  if (row === undefined) return undefined;
  return { offset: row.end_offset - row.size, bytesSince: row.log_bytes - row.end_offset };
}

async function readLast({ read }: Database, { jobId, phase }: Phase): Promise<Chunk | undefined> {
  const row = await read((db) =>
    db
      .selectFrom('log_chunks')
      .selectAll()
      .where('job_id', '=', jobId)
      .where('phase', '=', phase)
      .orderBy('end_offset', 'desc')
      .limit(1)
      .executeTakeFirst(),
  );
  if (row === undefined) return undefined;
  const chunk = { end: row.end_offset, bytes: await decompress(row.gzip) };
  return row.gap === null ? chunk : { ...chunk, gap: row.gap };
}

async function* readLog(
  { read }: Database,
  phase: Phase,
  offset: number,
): AsyncIterable<Uint8Array> {
  const { end } = await readEnd({ read }, phase);
  let position = offset;
  while (position < end) {
    const from = position;
    const chunks = await read((db) =>
      db
        .selectFrom('log_chunks')
        .select(['end_offset', 'size', 'gzip'])
        .where('job_id', '=', phase.jobId)
        .where('phase', '=', phase.phase)
        .where('end_offset', '>', from)
        .orderBy('end_offset')
        .limit(READ_AHEAD)
        .execute(),
    );
    if (chunks.length === 0) return;
    for (const chunk of chunks) {
      const chunkEnd = chunk.end_offset;
      const start = chunkEnd - chunk.size;
      yield (await decompress(chunk.gzip)).subarray(Math.max(0, position - start));
      position = chunkEnd;
    }
  }
}

async function readTail(database: Database, phase: Phase, limit: number): Promise<Uint8Array> {
  const { end } = await readEnd(database, phase);
  const parts: Uint8Array[] = [];
  for await (const part of readLog(database, phase, Math.max(0, end - limit))) parts.push(part);
  const tail = Buffer.concat(parts);
  return tail.subarray(Math.max(0, tail.length - limit));
}

async function readEnd({ read }: Pick<Database, 'read'>, { jobId, phase }: Phase) {
  const row = await read((db) =>
    db
      .selectFrom('phases')
      .select(['log_bytes', 'sealed_at'])
      .where('job_id', '=', jobId)
      .where('name', '=', phase)
      .executeTakeFirst(),
  );
  if (row === undefined) throw missing('Phase', `${phase} of ${jobId}`);
  return { end: row.log_bytes, isSealed: row.sealed_at !== null };
}
