import { sql } from 'kysely';
import type { Component, StateLayer } from '../../core/component.js';
import { layerProgress } from '../../core/component-status.js';
import type { Connection } from '../database/database.js';
import { toProgressKey, type DesiredLayersOf } from './desired-layers.js';
import type { StoreDialect } from '../database/dialect.js';
import { inParts } from '../database/parts.js';
import { dropNulls, toFlag } from '../database/row-values.js';
import type { ComponentRow } from '../database/schema.js';

export const COLUMN_TYPES = {
  id: 'text',
  desired_config: 'text',
  enabled: 'bigint',
  error_count: 'bigint',
  retry_policy: 'bigint',
  progress: 'text',
  progress_key: 'text',
  tags: 'text',
  state: 'text',
} as const satisfies Record<keyof ComponentRow, 'text' | 'bigint'>;

const columns = Object.keys(COLUMN_TYPES) as readonly (keyof ComponentRow)[];

/** Columns that hold exactly one member of the component. */
const members: Readonly<Partial<Record<keyof ComponentRow, keyof Component>>> = {
  desired_config: 'desiredConfig',
  enabled: 'enabled',
  error_count: 'errorCount',
  retry_policy: 'retryPolicy',
  tags: 'tags',
  state: 'state',
};

export const COMPONENT_COLUMNS = [
  'id',
  'desired_config',
  'enabled',
  'error_count',
  'retry_policy',
  'tags',
  'state',
] as const;

type StoredComponent = Omit<ComponentRow, 'progress' | 'progress_key'>;

/** Parses equal texts once, because a session reports the same text for all of its hosts. */
export function toComponents(rows: readonly StoredComponent[]): readonly Component[] {
  const once = { toState: remember(toState), toTags: remember(toTags) };
  return rows.map((row) => toComponent(row, once));
}

export function toComponent(row: StoredComponent, read = { toState, toTags }): Component {
  const { desired_config, error_count, retry_policy } = row;
  return {
    id: row.id,
    state: read.toState(row.state),
    ...dropNulls({
      desiredConfig: desired_config,
      errorCount: error_count,
      retryPolicy: retry_policy,
    }),
    ...(row.enabled === null ? {} : { enabled: row.enabled === 1 }),
    ...(row.tags === null ? {} : { tags: read.toTags(row.tags) }),
  };
}

function remember<T>(read: (text: string) => T): (text: string) => T {
  const known = new Map<string, T>();
  return (text) => {
    const value = known.get(text) ?? read(text);
    known.set(text, value);
    return value;
  };
}

function toState(text: string): readonly StateLayer[] {
  return JSON.parse(text) as readonly StateLayer[];
}

export function toComponentRow(component: Component, desired: DesiredLayersOf): ComponentRow {
  return { ...toSmallColumns(component, desired), state: JSON.stringify(component.state) };
}

function toSmallColumns(component: Component, desired: DesiredLayersOf) {
  const { id, desiredConfig, enabled, errorCount, retryPolicy, tags } = component;
  const layers = desired(desiredConfig);
  return {
    id,
    desired_config: desiredConfig ?? null,
    enabled: enabled === undefined ? null : toFlag(enabled),
    error_count: errorCount ?? null,
    retry_policy: retryPolicy ?? null,
    progress: desiredConfig === undefined ? 'none' : layerProgress(component, layers?.layers),
    progress_key: toProgressKey(desiredConfig, layers),
    tags: tags === undefined ? null : toTagLines(tags),
  } satisfies Omit<ComponentRow, 'state'>;
}

/** A component as it is stored, and as it is to be. */
export interface Changed {
  readonly before: Component;
  readonly after: Component;
}

/** Creates or replaces components, in the order of their ids, so that two of these transactions cannot deadlock. */
export async function saveComponents(
  db: Connection,
  dialect: StoreDialect,
  components: Iterable<Component>,
  desired: DesiredLayersOf,
): Promise<void> {
  const sorted = [...components].sort((left, right) => (left.id < right.id ? -1 : 1));
  const names = columns.map((name) => sql.ref(name));
  const changes = columns
    .filter((name) => name !== 'id')
    .map((name) => sql`${sql.ref(name)} = ${sql.ref(`excluded.${name}`)}`);
  for (const some of inParts(sorted)) {
    const rows = some.map((component) => toComponentRow(component, desired));
    // `where true`, because SQLite would otherwise take `on conflict` for the condition of a join.
    await sql`insert into components (${sql.join(names)})
      select ${sql.join(names)} from ${dialect.rowsOf(JSON.stringify(rows), COLUMN_TYPES)} where true
      on conflict (id) do update set ${sql.join(changes)}`.execute(db);
  }
}

/**
 * Updates components that the caller has locked. Sends only columns that differ: state is most of what there is to send, and
 * each column that is named costs a write to its index.
 */
export async function updateComponents(
  db: Connection,
  dialect: StoreDialect,
  changed: readonly Changed[],
  desired: DesiredLayersOf,
): Promise<void> {
  for (const some of inParts(changed)) {
    const names = columns.filter((name) => name !== 'id' && differs(some, name));
    const toRow = names.includes('state') ? toComponentRow : toSmallColumns;
    const rows = some.map(({ after }) => toRow(after, desired));
    const changes = names.map((name) => sql`${sql.ref(name)} = ${sql.ref(`given.${name}`)}`);
    await sql`update components set ${sql.join(changes)}
      from ${dialect.rowsOf(JSON.stringify(rows), COLUMN_TYPES)}
      where components.id = given.id`.execute(db);
  }
}

/** Progress always counts as different, because what it was compared with may be outdated. */
function differs(changed: readonly Changed[], name: keyof ComponentRow): boolean {
  const member = members[name];
  return (
    member === undefined || changed.some(({ before, after }) => before[member] !== after[member])
  );
}

/** The line that stores a tag. JSON has no line feeds within texts. */
export function toTagLine(key: string, value: string): string {
  return `${JSON.stringify(key)}:${JSON.stringify(value)}`;
}

function toTagLines(tags: Readonly<Record<string, string>>): string {
  const lines = Object.entries(tags).map(([key, value]) => `${toTagLine(key, value)}\n`);
  return `\n${lines.join('')}`;
}

function toTags(text: string): Readonly<Record<string, string>> {
  return JSON.parse(`{${text.trim().replaceAll('\n', ',')}}`) as Record<string, string>;
}
