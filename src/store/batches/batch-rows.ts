import type { Generated, Selectable } from 'kysely';
import type { BatchResult, CauseRecord } from '../../core/backoff-cause.js';
import type { Batch, BatchState } from '../../core/batch.js';
import type { Reason } from '../../core/errors.js';
import type { Connection } from '../database/database.js';
import type { StoreDialect } from '../database/dialect.js';
import { dropNulls } from '../database/row-values.js';

export interface BatchTables {
  readonly batches: BatchTable;
  readonly batch_members: { component_id: string; batch_id: string };
  readonly batch_causes: { cause: string; results: string; seconds: number; until: string | null };
  /** One row: the last cycle. */
  readonly batcher: { id: number; document: string };
}

export type BatchRow = Selectable<BatchTable>;
export type CauseRow = BatchTables['batch_causes'];

interface BatchTable {
  id: string;
  state: Generated<BatchState>;
  configuration: string;
  /** Indexes of the layers that are pending. */
  layers: string;
  latest: string;
  size: number;
  opened_at: string;
  sent_at: string | null;
  job_id: string | null;
  session_name: string | null;
  /** The layers as they were when it was sent. */
  desired: string | null;
  finished_at: string | null;
  result: BatchResult['kind'] | null;
  reason: Reason | null;
}

/** In one order, so that two of these wait for each other and never in a circle. */
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
