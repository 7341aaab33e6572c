import { sql, type Expression, type ExpressionBuilder, type SqlBool } from 'kysely';
import type { ConfigurationStatus, LayerProgress } from '../../core/component.js';
import { toTagLine } from './component-rows.js';
import { hasBeginnings } from './component-tag-index.js';
import type { StoreDialect } from '../database/dialect.js';
import { toFlag } from '../database/row-values.js';
import type { Schema } from '../database/schema.js';
import type { ComponentFilter } from '../store.js';

type Components = ExpressionBuilder<Schema, 'components'>;

/** `status` matches as it was last compared. A caller that must be exact compares the results again. */
export function matchComponents(
  eb: Components,
  dialect: StoreDialect,
  filter: ComponentFilter,
  defaultRetryPolicy: number,
): Expression<SqlBool> {
  const { ids, status, enabled, configName, tags = {} } = filter;
  return eb.and([
    ...(ids === undefined ? [] : [eb('id', 'in', dialect.textsOf(JSON.stringify(ids)))]),
    ...(status === undefined ? [] : [hasStatus(eb, status, defaultRetryPolicy)]),
    ...(enabled === undefined ? [] : [eb('enabled', '=', toFlag(enabled))]),
    ...(configName === undefined ? [] : [eb('desired_config', '=', configName)]),
    ...(Object.keys(tags).length === 0 ? [] : [hasTags(eb, dialect, tags)]),
  ]);
}

/**
 * Uses an index, because rows with their state are many times as large. SQLite's index has the whole tags, PostgreSQL's the
 * beginning of each.
 */
function hasTags(
  eb: Components,
  dialect: StoreDialect,
  tags: NonNullable<ComponentFilter['tags']>,
): Expression<SqlBool> {
  const lines = Object.entries(tags).map(([key, value]) => toTagLine(key, value));
  const match = allOf(
    lines.map((line) => dialect.contains(sql<string>`coalesce(tags, '')`, `\n${line}\n`)),
  );
  if (!dialect.indexesLongTexts) return eb.and([hasBeginnings(lines), match]);
  return eb('id', 'in', eb.selectFrom('components').select('id').where(match));
}

/** A balanced tree: a chain of many conditions is nested too deeply for SQLite, and for Kysely's stack. */
function allOf(conditions: readonly Expression<SqlBool>[]): Expression<SqlBool> {
  const [first, second] = conditions;
  if (first === undefined || second === undefined) return first ?? sql<SqlBool>`true`;
  const half = Math.ceil(conditions.length / 2);
  return sql<SqlBool>`(${allOf(conditions.slice(0, half))} and ${allOf(conditions.slice(half))})`;
}

const progressOf: Readonly<Record<ConfigurationStatus, LayerProgress | 'none'>> = {
  unconfigured: 'unconfigured',
  configured: 'configured',
  pending: 'open',
  failed: 'open',
  config_deprecated: 'none',
};

/** Pending and failed components both have progress `open`; `isGivenUp` tells them apart. */
function hasStatus(eb: Components, status: ConfigurationStatus, defaultRetryPolicy: number) {
  const progress = eb('progress', '=', progressOf[status]);
  if (status !== 'pending' && status !== 'failed') return progress;
  const retries = sql<number>`coalesce(retry_policy, ${sql.lit(defaultRetryPolicy)})`;
  const isGivenUp = sql<SqlBool>`(${retries} <> -1 and coalesce(error_count, 0) >= ${retries})`;
  return eb.and([progress, status === 'failed' ? isGivenUp : sql<SqlBool>`not ${isGivenUp}`]);
}
