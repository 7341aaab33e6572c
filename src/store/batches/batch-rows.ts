import type { Selectable } from 'kysely';
import type { CauseRecord } from '../../core/backoff-cause.js';
import type { Batch, BatchState } from '../../core/batch.js';
import type { Connection } from '../database/database.js';
import type { StoreDialect } from '../database/dialect.js';
import { dropNulls } from '../database/row-values.js';
import type { Schema } from '../database/schema.js';

export type BatchRow = Selectable<Schema['batches']>;
export type CauseRow = Schema['batch_causes'];

/** Locks the batches that are in this state, in order of ids, so that two such transactions cannot deadlock. */
export async function lockBatches(
  db: Connection,
  dialect: StoreDialect,
  state: BatchState,
  ids: readonly string[],
): Promise<readonly BatchRow[]> {
  let query = db
    .selectFrom('batches')
    .selectAll()
    .where('id', 'in', dialect.textsOf(JSON.stringify(ids)))
    .where('state', '=', state)
    .orderBy('id');
  if (!dialect.hasOneWriter) query = query.forUpdate();
  return query.execute();
}

export function toBatch(row: BatchRow): Batch {
  return {
    id: row.id,
    state: row.state,
    configurationName: row.configuration,
    layers: row.layers,
    latestStatus: row.latest,
    size: row.size,
    openedAt: row.opened_at,
    ...dropNulls({
      sentAt: row.sent_at,
      jobId: row.job_id,
      sessionName: row.session_name,
      finishedAt: row.finished_at,
      result: row.result,
      reason: row.reason,
    }),
  };
}

export function toCause(row: CauseRow): CauseRecord {
  return {
    cause: row.cause,
    results: JSON.parse(row.results) as readonly boolean[],
    seconds: row.seconds,
    ...dropNulls({ until: row.until }),
  };
}
