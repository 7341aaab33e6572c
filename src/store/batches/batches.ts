import type { Batch, BatcherStatus } from '../../core/batch.js';
import { collectComponents } from './batch-collecting.js';
import { finishBatches } from './batch-finishing.js';
import { listMembers } from './batch-members.js';
import { sendBatches } from './batch-sending.js';
import { toBatch, toCause } from './batch-rows.js';
import type { BatchStore, SentBatch } from './batch-store.js';
import type { ComponentDatabase } from '../components/component-views.js';
import type { Connection } from '../database/database.js';
import type { StoreDialect } from '../database/dialect.js';
import { toSession } from '../sessions/session-rows.js';
import type { Page } from '../database/page.js';
import { toBigint } from '../database/row-values.js';

export function createBatchStore(database: ComponentDatabase): BatchStore {
  const { read, write } = database;
  return {
    list: (request) => read((db) => listBatches(db, request)),
    members: (batchIds) => read((db) => listMembers(db, database.dialect, batchIds)),
    status: () =>
      read(async (db) => {
        const row = await db.selectFrom('batcher').select('document').executeTakeFirst();
        return row && (JSON.parse(row.document) as BatcherStatus);
      }),
    noteCycle: (status) =>
      write(async (db) => {
        const document = JSON.stringify(status);
        await db
          .insertInto('batcher')
          .values({ id: 1, document })
          .onConflict((conflict) => conflict.column('id').doUpdateSet({ document }))
          .execute();
      }),
    causes: () =>
      read(async (db) => {
        const rows = await db.selectFrom('batch_causes').selectAll().execute();
        return rows.map(toCause);
      }),
    collect: (request) => collectComponents(database, request),
    listDue: ({ batchSize, openedUntil, now }) =>
      read(async (db) => {
        const rows = await db
          .selectFrom('batches')
          .selectAll()
          .where('state', '=', 'open')
          .where((eb) =>
            eb.or([
              eb('size', '>=', toBigint(batchSize)),
              eb('opened_at', '<=', openedUntil),
              eb('opened_at', '>', now),
            ]),
          )
          .orderBy('opened_at')
          .orderBy('id')
          .execute();
        return rows.map(toBatch);
      }),
    send: (ids, limits) => sendBatches(database, ids, limits),
    listSent: (limit, afterId) => read((db) => listSent(db, database.dialect, limit, afterId)),
    finish: (ends, limits) => finishBatches(database, ends, limits),
    findOutside: (prefix, created) => read((db) => findOutside(db, prefix, created)),
    removeFinished: (until) =>
      write(async (db) => {
        await db
          .deleteFrom('batches')
          .where('state', '=', 'finished')
          .where('finished_at', '<=', until)
          .execute();
      }),
  };
}

async function listBatches(
  db: Connection,
  { limit, afterId, state }: Parameters<BatchStore['list']>[0],
): Promise<Page<Batch>> {
  const rows = await db
    .selectFrom('batches')
    .selectAll()
    .$if(state !== undefined, (query) => query.where('state', '=', state ?? 'open'))
    .$if(afterId !== undefined, (query) => query.where('id', '>', afterId ?? ''))
    .orderBy('id')
    .limit(limit + 1)
    .execute();
  return { items: rows.slice(0, limit).map(toBatch), hasMore: rows.length > limit };
}

async function listSent(
  db: Connection,
  dialect: StoreDialect,
  limit: number,
  afterId: string | undefined,
): Promise<Page<SentBatch>> {
  const rows = await db
    .selectFrom('batches')
    .selectAll()
    .where('state', '=', 'sent')
    .$if(afterId !== undefined, (query) => query.where('id', '>', afterId ?? ''))
    .orderBy('id')
    .limit(limit + 1)
    .execute();
  const batches = rows.slice(0, limit).map(toBatch);
  const jobIds = batches.flatMap(({ jobId }) => (jobId === undefined ? [] : [jobId]));
  const sessions =
    jobIds.length === 0
      ? []
      : await db
          .selectFrom('sessions')
          .selectAll()
          .where('job_id', 'in', dialect.textsOf(JSON.stringify(jobIds)))
          .execute();
  const byJob = new Map(sessions.map((row) => [row.job_id, toSession(row)]));
  return {
    items: batches.map((batch) => {
      const session = byJob.get(batch.jobId ?? '');
      return { batch, ...(session === undefined ? {} : { session }) };
    }),
    hasMore: rows.length > limit,
  };
}

/** CFS's batcher names its sessions `batcher-<uuid>`, and so do other installations of this one. */
const BATCHER_NAME = 'batcher-________-____-____-____-____________';

/** Looks for such names in the ranges before and after this deployment's own. */
async function findOutside(
  db: Connection,
  prefix: string,
  { since, until }: Parameters<BatchStore['findOutside']>[1],
): Promise<string | undefined> {
  const ranges = [
    ['batcher-', prefix],
    [`${prefix}.`, 'batcher.'],
  ] as const;
  for (const [from, to] of ranges) {
    const row = await db
      .selectFrom('sessions')
      .select('name')
      .where('deleted_at', 'is', null)
      .where('name', '>=', from)
      .where('name', '<', to)
      .where('name', 'like', BATCHER_NAME)
      .where((eb) =>
        eb.or([
          eb('state', '<>', 'complete'),
          eb.and([eb('created_at', '>', since), eb('created_at', '<=', until)]),
        ]),
      )
      .limit(1)
      .executeTakeFirst();
    if (row !== undefined) return row.name;
  }
  return undefined;
}
