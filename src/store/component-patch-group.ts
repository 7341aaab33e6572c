import { sql } from 'kysely';
import { patchComponent, type Component, type ComponentPatch } from '../core/component.js';
import { COLUMN_TYPES, toComponent, toComponentRow } from './component-rows.js';
import type { ComponentDatabase } from './component-views.js';
import type { Connection } from './database.js';
import { fromProgressKey, type DesiredLayersOf, type DesiredReader } from './desired-layers.js';
import type { ComponentRow } from './schema.js';

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
 * Patches that come at the same time, as one read and one write, which takes only those that nobody has changed in between.
 * Undefined: that one is not there, or was changed, and nothing is done.
 */
export async function patchTogether(
  components: ComponentDatabase,
  asked: readonly Asked[],
): Promise<readonly (Component | undefined)[]> {
  const ids = [...new Set(asked.map(({ patch }) => patch.id))].sort();
  const rows = await components.read((db) => readRows(db, components, ids));
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

async function readRows(
  db: Connection,
  { dialect }: ComponentDatabase,
  ids: readonly string[],
): Promise<readonly StoredRow[]> {
  const query = sql<StoredRow>`
    select ${sql.join(names.map((name) => sql.ref(name)))}, ${dialect.rowVersion} as row_version
    from components where id = any(${ids}::text[])`;
  return (await query.execute(db)).rows;
}

/** The ids of those that are now as planned. */
async function savePlans(
  components: ComponentDatabase,
  plans: readonly Plan[],
): Promise<ReadonlySet<string>> {
  const desired = await findDesired(components, plans);
  const rows = plans.map(({ before, component }, index) => {
    const after = toComponentRow(component, desired[index] ?? none);
    // What is large and the same is not sent.
    const state = before.state === after.state ? null : after.state;
    return { isSame: isSame(before, after), given: { ...before, ...after, state } };
  });
  const changed = rows.filter((row) => !row.isSame).map(({ given }) => given);
  const same = rows.filter((row) => row.isSame).map(({ given }) => given.id);
  if (changed.length === 0) return new Set(same);
  // In one order, so that two of these wait for each other and never in a circle.
  changed.sort((left, right) => (left.id < right.id ? -1 : 1));
  const written = await components.writeAtOnce((db) => updateRows(db, components, changed));
  return new Set([...same, ...written]);
}

const none: DesiredLayersOf = () => undefined;

function isSame(before: StoredRow, after: ComponentRow): boolean {
  return (Object.keys(after) as (keyof ComponentRow)[]).every(
    (name) => before[name] === after[name],
  );
}

/** For each. */
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
 * What its progress was last compared with, if that is the configuration that it is still to have: where the key is old by
 * now, whoever looks compares again.
 */
export function recallDesired(
  reader: DesiredReader,
  { progress_key: key }: Pick<ComponentRow, 'progress_key'>,
  { desiredConfig }: Component,
): DesiredLayersOf | undefined {
  return fromProgressKey(key) === desiredConfig ? reader.recall(key) : undefined;
}

/** Those that somebody holds are left out, so that nobody waits for another's: that one is patched alone. */
async function updateRows(
  db: Connection,
  { dialect }: ComponentDatabase,
  rows: readonly { readonly id: string }[],
): Promise<readonly string[]> {
  const changes = names
    .filter((name) => name !== 'id')
    .map((name) => sql`${sql.ref(name)} = ${toValue(name)}`);
  const given = dialect.rowsOf(JSON.stringify(rows), { ...COLUMN_TYPES, row_version: 'text' });
  const isAsItWas = sql`components.id = given.id and ${dialect.rowVersion} = row_version`;
  const query = sql<{ id: string }>`
    with free as (
      select given.* from ${given} join components on ${isAsItWas}
      for no key update of components skip locked
    )
    update components set ${sql.join(changes)} from free as given where ${isAsItWas}
    returning components.id`;
  return (await query.execute(db)).rows.map(({ id }) => id);
}

function toValue(name: string) {
  const given = sql.ref(`given.${name}`);
  return name === 'state' ? sql`coalesce(${given}, components.state)` : given;
}
