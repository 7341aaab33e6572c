import { sql } from 'kysely';
import { createGrouping } from '../database/grouping.js';
import type { Connection, Database, Emit } from '../database/database.js';

/** The most chunks that share a transaction; each takes about 1 MiB of memory at most. */
const MOST = 20;

export interface Chunk {
  readonly jobId: string;
  readonly phase: string;
  readonly from: number;
  readonly end: number;
  readonly gap: string | null;
  readonly gzip: Uint8Array;
}

/** Returns whether the chunk was stored. It is not if the phase is sealed, or its log does not end where the chunk begins. */
export type Append = (chunk: Chunk) => Promise<boolean>;

export function createAppend(database: Database): Append {
  if (database.dialect.hasOneWriter) return (chunk) => appendOne(database, chunk);
  const append = createGrouping(
    (chunks: readonly Chunk[]) => appendTogether(database, chunks),
    MOST,
  );
  return async (chunk) => (await append(chunk)) || appendOne(database, chunk);
}

function appendOne({ write }: Database, chunk: Chunk): Promise<boolean> {
  return write((db, emit) => appendWithin(db, emit, chunk));
}

/** `Append` as part of a transaction. */
export async function appendWithin(
  db: Connection,
  emit: Emit,
  { jobId, phase, from, end, gap, gzip }: Chunk,
): Promise<boolean> {
  const moved = await db
    .updateTable('phases')
    .set((eb) => ({
      log_bytes: end,
      stored_log_bytes: eb('stored_log_bytes', '+', gzip.length),
    }))
    .where('job_id', '=', jobId)
    .where('name', '=', phase)
    .where('log_bytes', '=', from)
    .where('sealed_at', 'is', null)
    .returning('name')
    .executeTakeFirst();
  if (moved === undefined) return false;
  await db
    .insertInto('log_chunks')
    .values({ job_id: jobId, phase, end_offset: end, size: end - from, gap, gzip })
    .execute();
  emit({ kind: 'session', jobId });
  return true;
}

/**
 * Appends one chunk per phase, the first that came; any other finds that the end has moved. Phases that somebody has locked
 * are skipped and appended alone, so that no chunk waits for another phase.
 */
function appendTogether(
  { writeAtOnce }: Database,
  chunks: readonly Chunk[],
): Promise<readonly boolean[]> {
  const byPhase = new Map<string, Chunk>();
  for (const chunk of chunks) if (!byPhase.has(toKey(chunk))) byPhase.set(toKey(chunk), chunk);
  // Sorted, so that two such transactions cannot deadlock.
  const keys = [...byPhase.keys()].sort();
  const first = keys.flatMap((key) => byPhase.get(key) ?? []);
  return writeAtOnce(async (db, emit) => {
    const stored = new Set(await insertChunks(db, first));
    return chunks.map((chunk) => {
      const isStored = byPhase.get(toKey(chunk)) === chunk && stored.has(toKey(chunk));
      if (isStored) emit({ kind: 'session', jobId: chunk.jobId });
      return isStored;
    });
  });
}

/** One statement with binary parameters: in an array the bytes would be text of twice the size. */
async function insertChunks(db: Connection, chunks: readonly Chunk[]): Promise<readonly string[]> {
  const rows = chunks.map(
    ({ jobId, phase, from, end, gap, gzip }) =>
      sql`(${jobId}::text, ${phase}::text, ${from}::bigint, ${end}::bigint, ${gap}::text, ${gzip}::bytea)`,
  );
  const query = sql<{ job_id: string; phase: string }>`
    with given (job_id, phase, begins, ends, gap, gzip) as (values ${sql.join(rows)}),
    free as (
      select phases.job_id, name from phases join given on phases.job_id = given.job_id and name = phase
      where log_bytes = begins and sealed_at is null
      for no key update of phases skip locked
    ),
    moved as (
      update phases set log_bytes = ends, stored_log_bytes = stored_log_bytes + length(gzip)
      from given join free on free.job_id = given.job_id and free.name = phase
      where phases.job_id = given.job_id and phases.name = phase and log_bytes = begins and sealed_at is null
      returning phases.job_id, phases.name
    )
    insert into log_chunks (job_id, phase, end_offset, size, gap, gzip)
    select given.job_id, phase, ends, ends - begins, gap, gzip
    from given join moved on moved.job_id = given.job_id and name = phase
    returning job_id, phase`;
  const stored = await query.execute(db);
  return stored.rows.map(({ job_id: jobId, phase }) => toKey({ jobId, phase }));
}

function toKey({ jobId, phase }: Pick<Chunk, 'jobId' | 'phase'>): string {
  return JSON.stringify([jobId, phase]);
}
