import { sql, type SqlBool } from 'kysely';
import type { ComponentPatch } from '../../core/component.js';
import { matchComponents } from './component-filter.js';
import type { ComponentDatabase } from './component-views.js';
import type { Connection } from '../database/database.js';
import { toUnknownKey } from './desired-layers.js';
import type { StoreDialect } from '../database/dialect.js';
import { toFlag } from '../database/row-values.js';
import type { ComponentFilter } from '../store.js';

/**
 * Patches all components that match without reading their state, and returns their ids. Returns undefined, and changes
 * nothing, if that is not possible: a filter by status needs the state, and tags are merged for each component separately.
 */
export function patchColumns(
  { dialect, write, writeAtOnce }: ComponentDatabase,
  filter: ComponentFilter,
  patch: ComponentPatch,
): Promise<readonly string[] | undefined> {
  const isPlain = filter.status === undefined && Object.keys(patch).every((name) => name in plain);
  if (!isPlain) return Promise.resolve(undefined);
  return dialect.hasOneWriter
    ? write((db) => patchInSteps(db, dialect, filter, patch))
    : writeAtOnce((db) => patchAtOnce(db, dialect, filter, patch));
}

async function patchInSteps(
  db: Connection,
  dialect: StoreDialect,
  filter: ComponentFilter,
  patch: ComponentPatch,
): Promise<readonly string[] | undefined> {
  const matching = db
    .selectFrom('components')
    .select('id')
    .where((eb) => matchComponents(eb, dialect, filter, 0));
  const unclean = matching.where(hasEmptyTag(dialect)).limit(1);
  if ((await unclean.executeTakeFirst()) !== undefined) return undefined;
  const ids = (await matching.orderBy('id').execute()).map(({ id }) => id);
  await db
    .updateTable('components')
    .set((eb) => ({ ...toColumns(patch), tags: eb.fn.coalesce('tags', eb.val('\n')) }))
    .where('id', 'in', dialect.textsOf(JSON.stringify(ids)))
    .execute();
  return ids;
}

/** One statement that locks the rows in order of their ids. */
async function patchAtOnce(
  db: Connection,
  dialect: StoreDialect,
  filter: ComponentFilter,
  patch: ComponentPatch,
): Promise<readonly string[] | undefined> {
  const isClean = sql<SqlBool>`not exists (select from matching where is_unclean)`;
  const rows = await db
    .with('matching', (query) =>
      query
        .selectFrom('components')
        .select(['id', hasEmptyTag(dialect).as('is_unclean')])
        .where((eb) => matchComponents(eb, dialect, filter, 0))
        .orderBy('id')
        .forUpdate(),
    )
    .with('changed', (query) =>
      query
        .updateTable('components')
        .from('matching')
        .set((eb) => ({ ...toColumns(patch), tags: eb.fn.coalesce('tags', eb.val('\n')) }))
        .whereRef('components.id', '=', 'matching.id')
        .where(isClean),
    )
    .selectFrom('matching')
    .select(['id', 'is_unclean'])
    .orderBy('id')
    .execute();
  return rows.some((row) => row.is_unclean) ? undefined : rows.map(({ id }) => id);
}

/** Members that have a column of their own, which a patch replaces. */
const plain: Readonly<Record<string, true>> = {
  desiredConfig: true,
  enabled: true,
  errorCount: true,
  retryPolicy: true,
} satisfies Partial<Record<keyof ComponentPatch, true>>;

/** Only a PUT stores a tag with an empty value, and every PATCH drops such tags, so the tags must be read. */
function hasEmptyTag(dialect: StoreDialect) {
  return sql<SqlBool>`${dialect.contains(sql<string>`coalesce(tags, '')`, ':""\n')}`;
}

function toColumns({ desiredConfig, enabled, errorCount, retryPolicy }: ComponentPatch) {
  const count = errorCount ?? (desiredConfig === undefined ? undefined : 0);
  return {
    ...(enabled === undefined ? {} : { enabled: toFlag(enabled) }),
    ...(count === undefined ? {} : { error_count: count }),
    ...(retryPolicy === undefined ? {} : { retry_policy: retryPolicy }),
    ...(desiredConfig === undefined
      ? {}
      : { desired_config: desiredConfig, progress_key: toUnknownKey(desiredConfig) }),
  };
}
