import { randomUUID } from 'node:crypto';
import { sql, type Transaction } from 'kysely';
import { isLeftOut, toBatchKey, type Batch, type BatchKey } from '../../core/batch.js';
import { toBatch, type BatchRow } from './batch-rows.js';
import type { BatchStore } from './batch-store.js';
import { matchComponents } from '../components/component-filter.js';
import { refreshProgress } from '../components/component-progress.js';
import { COMPONENT_COLUMNS, toComponents } from '../components/component-rows.js';
import { toViews, type ComponentDatabase } from '../components/component-views.js';
import { toBigint } from '../database/row-values.js';
import type { Schema } from '../database/schema.js';

type Collect = Parameters<BatchStore['collect']>[0];

/** Components by the text of their batch key. */
type Groups = ReadonlyMap<string, { readonly key: BatchKey; readonly ids: string[] }>;

/** A batch, existing or new, and the components to put into it. */
interface Place {
  readonly id: string;
  readonly key: BatchKey;
  readonly isNew: boolean;
  /** How many components are in it already. */
  readonly before: number;
  readonly ids: readonly string[];
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
    const views = await toViews(db, database.reader, found);
    const groups = groupByKey(views);
    const collected = groups.size === 0 ? 0 : await place(db, database, groups, request);
    return {
      collected,
      leftOut: views.filter(isLeftOut).map(({ component }) => component.id),
      ...(found.length < request.page.limit || lastId === undefined ? {} : { lastId }),
    };
  });
}

/** Components that are enabled, were pending when last compared, and are in no batch. */
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
  return toComponents(rows);
}

function groupByKey(views: Awaited<ReturnType<typeof toViews>>): Groups {
  const groups = new Map<string, { key: BatchKey; ids: string[] }>();
  for (const view of views) {
    const key = toBatchKey(view);
    if (key === undefined) continue;
    const text = toText(key);
    const group = groups.get(text) ?? { key, ids: [] };
    group.ids.push(view.component.id);
    groups.set(text, group);
  }
  return groups;
}

function toText({ configurationName, layers, latestStatus }: BatchKey): string {
  return JSON.stringify([configurationName, layers, latestStatus]);
}

/** Fills the open batches that have room, then new ones, and returns how many components found a place. */
async function place(
  db: Transaction<Schema>,
  database: ComponentDatabase,
  groups: Groups,
  { at, batchSize }: Collect,
): Promise<number> {
  const open = await findOpen(db, database, groups, batchSize);
  const places = [...groups].flatMap(([text, { key, ids }]) =>
    toPlaces(key, ids, batchSize, open.get(text)),
  );
  await createBatches(db, places, at);
  const added = await addMembers(db, database, places);
  await resize(db, database, places, added);
  return added.size;
}

function toPlaces(
  key: BatchKey,
  ids: readonly string[],
  batchSize: number,
  open: Batch | undefined,
): readonly Place[] {
  const places: Place[] = [];
  let next = open && { id: open.id, key, isNew: false, before: open.size };
  for (let first = 0; first < ids.length; next = undefined) {
    const batch = next ?? { id: randomUUID(), key, isNew: true, before: 0 };
    const some = ids.slice(first, first + batchSize - batch.before);
    places.push({ ...batch, ids: some });
    first += some.length;
  }
  return places;
}

/**
 * Text of the key → the oldest open batch that has room. Locks in order of ids, so that two such transactions cannot
 * deadlock.
 */
async function findOpen(
  db: Transaction<Schema>,
  { dialect }: ComponentDatabase,
  groups: Groups,
  batchSize: number,
): Promise<ReadonlyMap<string, Batch>> {
  const keys = JSON.stringify([...groups.values()].map(({ key }) => key));
  const columns = { configurationName: 'text', layers: 'text', latestStatus: 'text' } as const;
  const query = sql<BatchRow>`select batches.* from batches join ${dialect.rowsOf(keys, columns)}
    on configuration = given."configurationName" and batches.layers = given.layers
      and latest = given."latestStatus"
    where state = 'open' and size < ${toBigint(batchSize)}
    order by batches.id ${dialect.hasOneWriter ? sql`` : sql`for update of batches`}`;
  const found = (await query.execute(db)).rows.map(toBatch);
  const newestFirst = found.sort((left, right) => (left.openedAt < right.openedAt ? 1 : -1));
  return new Map(newestFirst.map((batch) => [toText(batch), batch]));
}

async function createBatches(
  db: Transaction<Schema>,
  places: readonly Place[],
  at: string,
): Promise<void> {
  const rows = places
    .filter(({ isNew }) => isNew)
    .map(({ id, key: { configurationName, layers, latestStatus }, ids }) => ({
      ...{ id, configuration: configurationName, layers, latest: latestStatus },
      ...{ state: 'open' as const, size: ids.length, opened_at: at },
    }));
  if (rows.length > 0) await db.insertInto('batches').values(rows).execute();
}

/** Adds the components that are in no batch yet, and returns them with the batch that they are in now. */
async function addMembers(
  db: Transaction<Schema>,
  { dialect }: ComponentDatabase,
  places: readonly Place[],
): Promise<ReadonlyMap<string, string>> {
  const rows = places.flatMap(({ id, ids }) => ids.map((member) => ({ id: member, batch: id })));
  const given = dialect.rowsOf(JSON.stringify(rows), { id: 'text', batch: 'text' });
  // `where true`, because SQLite would otherwise take `on conflict` for the condition of a join.
  const query = sql<Schema['batch_members']>`insert into batch_members (component_id, batch_id)
    select id, batch from ${given} where true order by id
    on conflict do nothing returning component_id, batch_id`;
  const added = (await query.execute(db)).rows;
  return new Map(added.map((row) => [row.component_id, row.batch_id]));
}

/** Corrects the sizes of batches that existed before, or lost components to a faster collector. Removes empty ones. */
async function resize(
  db: Transaction<Schema>,
  { dialect }: ComponentDatabase,
  places: readonly Place[],
  added: ReadonlyMap<string, string>,
): Promise<void> {
  const sizes = places.flatMap(({ id, isNew, before, ids }) => {
    const size = before + ids.filter((member) => added.get(member) === id).length;
    return isNew && size === ids.length ? [] : { id, size };
  });
  if (sizes.length === 0) return;
  const given = dialect.rowsOf(JSON.stringify(sizes), { id: 'text', size: 'bigint' });
  await sql`update batches set size = given.size from ${given} where batches.id = given.id`.execute(
    db,
  );
  const empty = sizes.filter(({ size }) => size === 0).map(({ id }) => id);
  if (empty.length === 0) return;
  const ids = dialect.textsOf(JSON.stringify(empty));
  await db.deleteFrom('batches').where('id', 'in', ids).execute();
}
