import { sql, type Expression, type SqlBool } from 'kysely';
import type { ComponentPatch } from '../core/component.js';
import { matchComponents } from './component-filter.js';
import type { ComponentDatabase } from './component-views.js';
import { toUnknownKey } from './desired-layers.js';
import type { StoreDialect } from './dialect.js';
import { toFlag } from './row-values.js';
import type { ComponentFilter } from './store.js';

/**
 * Without a look at their state, the ids; undefined: it cannot be done so, and nothing is done. A status is known
 * only to those who read the state, and tags are merged one by one.
 */
export function patchColumns(
  { dialect, write }: ComponentDatabase,
  filter: ComponentFilter,
  patch: ComponentPatch,
): Promise<readonly string[] | undefined> {
  const isPlain = filter.status === undefined && Object.keys(patch).every((name) => name in plain);
  if (!isPlain) return Promise.resolve(undefined);
  return write(async (db) => {
    const matching = db
      .selectFrom('components')
      .where((eb) => matchComponents(eb, dialect, filter, 0));
    const unclean = matching.select('id').where(hasEmptyTag(dialect)).limit(1);
    if ((await unclean.executeTakeFirst()) !== undefined) return undefined;
    const ordered = matching.select('id').orderBy('id');
    const rows = await (dialect.hasOneWriter ? ordered : ordered.forUpdate()).execute();
    const ids = rows.map(({ id }) => id);
    await db
      .updateTable('components')
      .set((eb) => ({ ...toColumns(patch), tags: eb.fn.coalesce('tags', eb.val('\n')) }))
      .where('id', 'in', dialect.textsOf(JSON.stringify(ids)))
      .execute();
    return ids;
  });
}

const plain: Readonly<Record<string, true>> = {
  desiredConfig: true,
  enabled: true,
  errorCount: true,
  retryPolicy: true,
} satisfies Partial<Record<keyof ComponentPatch, true>>;

/** A PATCH drops it; only a PUT leaves one. */
function hasEmptyTag(dialect: StoreDialect): Expression<SqlBool> {
  return dialect.contains(sql<string>`coalesce(tags, '')`, ':""\n');
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
