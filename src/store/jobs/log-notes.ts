import { gzipSync } from 'node:zlib';
import type { Transaction } from 'kysely';
import type { Database } from '../database/database.js';
import { appendWithin } from './log-append.js';
import { requireOpen } from './phase-rows.js';
import type { Schema } from '../database/schema.js';

/** Appends a line of the worker's. False if the log was handed over to the job. */
export function appendNote(
  { write }: Database,
  jobId: string,
  phase: string,
  line: string,
): Promise<boolean> {
  const bytes = Buffer.from(`${line}\n`);
  const gzip = gzipSync(bytes);
  return write(async (db, emit) => {
    const from = await lockLog(db, jobId, phase);
    const isTheirs = await db
      .selectFrom('staged_files')
      .select('name')
      .where('job_id', '=', jobId)
      .where('name', '=', toNotes(phase))
      .executeTakeFirst();
    if (isTheirs !== undefined) return false;
    const end = from + bytes.length;
    return appendWithin(db, emit, { jobId, phase, from, end, gap: null, gzip });
  });
}

/** Joins the stored chunks as they are: compressed pieces in a row are valid gzip of the whole. */
export function handOver({ write }: Database, jobId: string, phase: string): Promise<void> {
  return write(async (db) => {
    await lockLog(db, jobId, phase);
    const chunks = await db
      .selectFrom('log_chunks')
      .select('gzip')
      .where('job_id', '=', jobId)
      .where('phase', '=', phase)
      .orderBy('end_offset')
      .execute();
    const gzip = chunks.length === 0 ? gzipSync('') : Buffer.concat(chunks.map((one) => one.gzip));
    await db
      .insertInto('staged_files')
      .values({ job_id: jobId, name: toNotes(phase), gzip })
      .onConflict((conflict) => conflict.doNothing())
      .execute();
  });
}

/** In the form that `job/inventory.py` reads. */
function toNotes(phase: string): string {
  return `${phase}-notes`;
}

/**
 * Locks the phase, so that a line comes either before the hand-over and goes along, or after it. Returns where the log ends.
 */
async function lockLog(db: Transaction<Schema>, jobId: string, phase: string): Promise<number> {
  const row = await db
    .updateTable('phases')
    .set((eb) => ({ log_bytes: eb.ref('log_bytes') }))
    .where('job_id', '=', jobId)
    .where('name', '=', phase)
    .where('sealed_at', 'is', null)
    .returning('log_bytes')
    .executeTakeFirst();
  if (row === undefined) await requireOpen(db, jobId, phase);
  return row?.log_bytes ?? 0;
}
