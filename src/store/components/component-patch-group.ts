import { CompiledQuery, sql, type RawBuilder } from 'kysely';
import type { Component, ComponentPatch } from '../../core/component.js';
import { patchComponent } from '../../core/component-change.js';
import { COLUMN_TYPES, toComponent, toComponentRow } from './component-rows.js';
import type { ComponentDatabase } from './component-views.js';
import type { Connection } from '../database/database.js';
import type { StoreDialect } from '../database/dialect.js';
import { fromProgressKey, type DesiredLayersOf, type DesiredReader } from './desired-layers.js';
import type { ComponentRow } from '../database/schema.js';

export type IdentifiedPatch = ComponentPatch & Pick<Component, 'id'>;

export interface Asked {
  readonly patch: IdentifiedPatch;
  readonly at: string;
}

interface StoredRow extends ComponentRow {
  readonly row_version: string;
}

interface Plan {
  readonly before: StoredRow;
  component: Component;
}

const names = Object.keys(COLUMN_TYPES);

/**
 * Handles simultaneous patches with one read and one write. Returns each component as patched; undefined, with nothing done,
 * if it does not exist or somebody has locked or changed it meanwhile.
 */
export async function patchTogether(
  components: ComponentDatabase,
  asked: readonly Asked[],
): Promise<readonly (Component | undefined)[]> {
  const ids = [...new Set(asked.map(({ patch }) => patch.id))].sort();
  const rows = await components.read((db) => readRows(db, components.dialect, ids));
  const plans = new Map(
    rows.map((before): [string, Plan] => [before.id, { before, component: toComponent(before) }]),
  );
  const patched = asked.map(({ patch: { id, ...changes }, at }) => {
    const plan = plans.get(id);
    return plan && (plan.component = patchComponent(plan.component, changes, at));
  });
  const saved = await savePlans(components, [...plans.values()]);
  return patched.map((component) => (saved.has(component?.id ?? '') ? component : undefined));
}

const readRows = keepText<StoredRow, readonly string[]>(
  ({ rowVersion }, ids) => sql`
    select ${sql.join(names.map((name) => sql.ref(name)))}, ${rowVersion} as row_version
    from components where id = any(${ids}::text[])`,
);

/** Writes the plans, and returns the ids of the components that are now as planned. */
async function savePlans(
  components: ComponentDatabase,
  plans: readonly Plan[],
): Promise<ReadonlySet<string>> {
  const desired = await findDesired(components, plans);
  const rows = plans.map(({ before, component }, index) => {
    const after = toComponentRow(component, desired[index] ?? none);
    // State is large, so it is not sent if it stays the same.
    const state = before.state === after.state ? null : after.state;
    return { isSame: isSame(before, after), given: { ...before, ...after, state } };
  });
  const changed = rows.filter((row) => !row.isSame).map(({ given }) => given);
  const same = rows.filter((row) => row.isSame).map(({ given }) => given.id);
  if (changed.length === 0) return new Set(same);
  // Sorted, so that two such transactions cannot deadlock.
  changed.sort((left, right) => (left.id < right.id ? -1 : 1));
  const json = JSON.stringify(changed);
  const written = await components.writeAtOnce((db) => updateRows(db, components.dialect, json));
  return new Set([...same, ...written.map(({ id }) => id)]);
}

const none: DesiredLayersOf = () => undefined;

function isSame(before: StoredRow, after: ComponentRow): boolean {
  return (Object.keys(after) as (keyof ComponentRow)[]).every(
    (name) => before[name] === after[name],
  );
}

/** For each plan, the layers that its component is to have. */
async function findDesired(
  { read, reader }: ComponentDatabase,
  plans: readonly Plan[],
): Promise<readonly (DesiredLayersOf | undefined)[]> {
  const known = plans.map(({ before, component }) => recallDesired(reader, before, component));
  const unknown = plans.filter((_, index) => known[index] === undefined);
  if (unknown.length === 0) return known;
  const wanted = unknown.map(({ component }) => component.desiredConfig);
  const { desired } = await read((db) => reader.read(db, wanted));
  return known.map((each) => each ?? desired);
}

/**
 * The layers with which the component's progress was last compared, if it still has the same desired configuration. They may
 * be outdated, but then so is their key, and readers compare again.
 */
export function recallDesired(
  reader: DesiredReader,
  { progress_key: key }: Pick<ComponentRow, 'progress_key'>,
  { desiredConfig }: Component,
): DesiredLayersOf | undefined {
  return fromProgressKey(key) === desiredConfig ? reader.recall(key) : undefined;
}

/** Skips rows that somebody has locked, so that no patch waits for another's row. These are patched one by one. */
const updateRows = keepText<{ id: string }, string>((dialect, json) => {
  const changes = names
    .filter((name) => name !== 'id')
    .map((name) => sql`${sql.ref(name)} = ${toValue(name)}`);
  const given = dialect.rowsOf(json, { ...COLUMN_TYPES, row_version: 'text' });
  const columns = [...names, 'row_version'].map((name) => sql.ref(`given.${name}`));
  const isAsItWas = sql`components.id = given.id and ${dialect.rowVersion} = row_version`;
  return sql`
    with free as (
      select ${sql.join(columns)} from ${given} join components on ${isAsItWas}
      for no key update of components skip locked
    )
    update components set ${sql.join(changes)} from free as given where ${isAsItWas}
    returning components.id`;
});

function toValue(name: string) {
  const given = sql.ref(`given.${name}`);
  return name === 'state' ? sql`coalesce(${given}, components.state)` : given;
}

type Run<Row, Value> = (
  db: Connection,
  dialect: StoreDialect,
  value: Value,
) => Promise<readonly Row[]>;

/** Compiles a query with one parameter only once, because compiling takes as long as running it. */
function keepText<Row, Value extends string | readonly string[]>(
  build: (dialect: StoreDialect, value: Value) => RawBuilder<Row>,
): Run<Row, Value> {
  let text: string | undefined;
  return async (db, dialect, value) => {
    text ??= build(dialect, value).compile(db).sql;
    return (await db.executeQuery<Row>(CompiledQuery.raw(text, [value]))).rows;
  };
}
