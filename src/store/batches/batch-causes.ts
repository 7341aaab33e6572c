import { sql, type Transaction } from 'kysely';
import { noteResult, toNotes, type BatchResult } from '../../core/backoff-cause.js';
import { toCause, type CauseRow } from './batch-rows.js';
import type { BatchStore } from './batch-store.js';
import type { StoreDialect } from '../database/dialect.js';
import type { Schema } from '../database/schema.js';

interface ResultOf {
  readonly configuration: string;
  readonly result: BatchResult;
}

/** Counts results for their causes, in the given order. A cause whose last result is a success is removed. */
export async function recordCauses(
  db: Transaction<Schema>,
  dialect: StoreDialect,
  results: readonly ResultOf[],
  limits: Parameters<BatchStore['finish']>[1],
): Promise<void> {
  const notes = results.flatMap(({ configuration, result }) => toNotes(configuration, result));
  const last = new Map(notes.map(({ cause, isSuccess }) => [cause, isSuccess]));
  const causes = [...last.keys()].sort();
  await forgetCauses(
    db,
    dialect,
    causes.filter((cause) => last.get(cause)),
  );
  const failing = causes.filter((cause) => !last.get(cause));
  if (failing.length === 0) return;
  const records = (await lockCauses(db, dialect, failing)).map((row) =>
    notes
      .filter(({ cause }) => cause === row.cause)
      .reduce((record, { isSuccess }) => noteResult(record, isSuccess, limits), toCause(row)),
  );
  const rows = records.map((record) => ({ ...record, results: JSON.stringify(record.results) }));
  const types = { cause: 'text', results: 'text', seconds: 'bigint', until: 'text' } as const;
  await sql`update batch_causes
    set results = given.results, seconds = given.seconds, until = given.until
    from ${dialect.rowsOf(JSON.stringify(rows), types)}
    where batch_causes.cause = given.cause`.execute(db);
}

async function forgetCauses(
  db: Transaction<Schema>,
  dialect: StoreDialect,
  causes: readonly string[],
): Promise<void> {
  if (causes.length === 0) return;
  const texts = dialect.textsOf(JSON.stringify(causes));
  await db.deleteFrom('batch_causes').where('cause', 'in', texts).execute();
}

/** Locks rows before they are read, so that of two callers at the same time the second counts on from the first. */
async function lockCauses(
  db: Transaction<Schema>,
  dialect: StoreDialect,
  causes: readonly string[],
): Promise<readonly CauseRow[]> {
  const given = dialect.rowsOf(JSON.stringify(causes.map((cause) => ({ cause }))), {
    cause: 'text',
  });
  // `where true`, because SQLite would otherwise take `on conflict` for the condition of a join.
  const query = sql<CauseRow>`insert into batch_causes (cause, results, seconds)
    select cause, '[]', 0 from ${given} where true
    on conflict (cause) do update set cause = excluded.cause returning *`;
  return (await query.execute(db)).rows;
}
