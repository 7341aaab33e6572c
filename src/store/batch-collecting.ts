import { randomUUID } from 'node:crypto';
import { sql, type Transaction } from 'kysely';
import { toBatchKey, type BatchKey } from '../core/batch.js';
import type { BatchStore } from './batch-store.js';
import { matchComponents } from './component-filter.js';
import { refreshProgress } from './component-progress.js';
import { COMPONENT_COLUMNS, toComponent } from './component-rows.js';
import { toViews, type ComponentDatabase } from './component-views.js';
import type { Schema } from './schema.js';

type Collect = Parameters<BatchStore['collect']>[0];

interface Group {
  readonly key: BatchKey;
  readonly ids: string[];
}

export async function collectComponents(
  database: ComponentDatabase,
  request: Collect,
): ReturnType<BatchStore['collect']> {
  if (request.page.afterId === undefined) await refreshProgress(database, database.reader);
  return database.write(async (db) => {
    await database.dialect.readInOrder?.(db);
    const found = await readWaiting(db, database, request.page);
    const lastId = found.at(-1)?.id;
    let collected = 0;
    for (const group of groupByKey(await toViews(db, database.reader, found))) {
      collected += await place(db, database, group, request);
    }
    return {
      collected,
      ...(found.length < request.page.limit || lastId === undefined ? {} : { lastId }),
    };
  });
}

/** Enabled, pending as it was last compared, and in no batch. */
async function readWaiting(
  db: Transaction<Schema>,
  { dialect, reader }: ComponentDatabase,
  { limit, afterId }: Collect['page'],
) {
  const { retryPolicy } = await reader.read(db, []);
  const rows = await db
    .selectFrom('components')
    .select(COMPONENT_COLUMNS)
    .$if(afterId !== undefined, (query) => query.where('id', '>', afterId ?? ''))
    .where((eb) => matchComponents(eb, dialect, { enabled: true, status: 'pending' }, retryPolicy))
    .where((eb) =>
      eb.not(
        eb.exists(
          eb
            .selectFrom('batch_members')
            .select('batch_id')
            .whereRef('batch_members.component_id', '=', 'components.id'),
        ),
      ),
    )
    .orderBy('id')
    .limit(limit)
    .execute();
  return rows.map(toComponent);
}

function groupByKey(views: Awaited<ReturnType<typeof toViews>>): Iterable<Group> {
  const groups = new Map<string, Group>();
  for (const view of views) {
    const key = toBatchKey(view);
    if (key === undefined) continue;
    const text = JSON.stringify(key);
    const group = groups.get(text) ?? { key, ids: [] };
    group.ids.push(view.component.id);
    groups.set(text, group);
  }
  return groups.values();
}

/** Fills the open batch that has room, then new ones; how many found a place. */
async function place(
  db: Transaction<Schema>,
  database: ComponentDatabase,
  { key, ids }: Group,
  { at, batchSize }: Collect,
): Promise<number> {
  let placed = 0;
  let open = await findOpen(db, database, key, batchSize);
  for (let left = ids; left.length > 0; open = undefined) {
    const count = Math.min(left.length, batchSize - (open?.size ?? 0));
    const id = open?.id ?? (await createBatch(db, key, at, count));
    const some = left.slice(0, count);
    const added = await addMembers(db, database, id, some);
    if (open !== undefined || added.length < count)
      await resize(db, id, (open?.size ?? 0) + added.length);
    placed += added.length;
    left = left.slice(some.length);
  }
  return placed;
}

/** Those that were in no batch. */
async function addMembers(
  db: Transaction<Schema>,
  { dialect }: ComponentDatabase,
  batchId: string,
  ids: readonly string[],
): Promise<readonly unknown[]> {
  const given = dialect.rowsOf(JSON.stringify(ids.map((id) => ({ id }))), { id: 'text' });
  // `where true`: SQLite would take `on conflict` for the condition of a join.
  const query = sql`insert into batch_members (component_id, batch_id)
    select id, ${batchId} from ${given} where true
    on conflict do nothing returning component_id`;
  return (await query.execute(db)).rows;
}

/** Empty where another collector was first everywhere. */
async function resize(db: Transaction<Schema>, id: string, size: number): Promise<void> {
  if (size === 0) await db.deleteFrom('batches').where('id', '=', id).execute();
  else await db.updateTable('batches').set({ size }).where('id', '=', id).execute();
}

/** One that is open and has room. */
async function findOpen(
  db: Transaction<Schema>,
  { dialect }: ComponentDatabase,
  { configurationName, layers, latestStatus }: BatchKey,
  batchSize: number,
) {
  let query = db
    .selectFrom('batches')
    .select(['id', 'size'])
    .where('state', '=', 'open')
    .where('configuration', '=', configurationName)
    .where('layers', '=', layers)
    .where('latest', '=', latestStatus)
    .where('size', '<', batchSize)
    .orderBy('opened_at')
    .limit(1);
  if (!dialect.hasOneWriter) query = query.forUpdate();
  return query.executeTakeFirst();
}

async function createBatch(
  db: Transaction<Schema>,
  { configurationName, layers, latestStatus }: BatchKey,
  at: string,
  size: number,
): Promise<string> {
  const id = randomUUID();
  await db
    .insertInto('batches')
    .values({
      ...{ id, configuration: configurationName, layers, latest: latestStatus },
      ...{ state: 'open', size, opened_at: at },
    })
    .execute();
  return id;
}
