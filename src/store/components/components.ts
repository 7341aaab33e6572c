import type { Component, ComponentPatch, ComponentPut } from '../../core/component.js';
import { newComponent, patchComponent } from '../../core/component-change.js';
import { missing } from '../../core/errors.js';
import { matchComponents } from './component-filter.js';
import { refreshProgress } from './component-progress.js';
import {
  COMPONENT_COLUMNS,
  saveComponents,
  toComponent,
  toComponentRow,
  toComponents,
} from './component-rows.js';
import { lockViews, saveChanged, toViews, type ComponentDatabase } from './component-views.js';
import { patchColumns } from './component-columns.js';
import { byId, createPatch } from './component-patches.js';
import type { Connection } from '../database/database.js';
import type { PageRequest } from '../database/page.js';
import { inParts, ROWS_AT_ONCE } from '../database/parts.js';
import type { ComponentFilter, ComponentStore, ComponentView } from '../store.js';

export function createComponentStore(components: ComponentDatabase): ComponentStore {
  const { reader, ...database } = components;
  return {
    find: (id) =>
      database.readTogether(async (db) => {
        const query = db.selectFrom('components').select(COMPONENT_COLUMNS).where('id', '=', id);
        const row = await query.executeTakeFirst();
        if (row === undefined) return undefined;
        return (await toViews(db, reader, [toComponent(row)]))[0];
      }),
    list: async (filter, page) => {
      if (filter.status !== undefined) await refreshProgress(database, reader);
      return database.readTogether((db) => listInOrder(db, components, filter, page));
    },
    put: (puts, at, toResult) => putComponents(components, puts, at, toResult),
    patch: createPatch(components),
    patchMatching: (filter, patch, at, toResult) =>
      patchMatching(components, filter, patch, at, toResult),
    patchAll: async (filter, patch, at) =>
      (await patchColumns(components, filter, patch)) ??
      patchMatching(components, filter, patch, at, ({ id }) => id),
    change: (ids, decide, at) => changeComponents(components, ids, decide, at),
    remove: (id) =>
      database.write(async (db) => {
        const query = db.deleteFrom('components').where('id', '=', id).returning('id');
        if ((await query.executeTakeFirst()) === undefined) throw missing('Component', id);
      }),
    addMissing: (ids) => addMissing(components, ids),
  };
}

async function listInOrder(
  db: Connection,
  components: ComponentDatabase,
  filter: ComponentFilter,
  page: PageRequest,
) {
  if (hasOrder(filter)) await components.dialect.readInOrder?.(db);
  return listComponents(db, components, filter, page);
}

/** Whether the index that serves the filter has its rows in the order of ids. That of tags has no order. */
function hasOrder({ status, configName, tags = {} }: ComponentFilter): boolean {
  return (status ?? configName) !== undefined && Object.keys(tags).length === 0;
}

/** Reads rows that matched when they were last compared, and keeps those that match now, until the page is full. */
async function listComponents(
  db: Connection,
  components: ComponentDatabase,
  filter: ComponentFilter,
  { limit, afterId }: PageRequest,
) {
  const items: ComponentView[] = [];
  let after = afterId;
  for (;;) {
    const wanted = limit + 1 - items.length;
    const found = await readMatching(db, components, filter, { limit: wanted, afterId: after });
    const views = await toViews(db, components.reader, found);
    items.push(...views.filter(({ status }) => (filter.status ?? status) === status));
    if (found.length < wanted || items.length > limit) break;
    after = found.at(-1)?.id;
  }
  return { items: items.slice(0, limit), hasMore: items.length > limit };
}

async function readMatching(
  db: Connection,
  { dialect, reader }: ComponentDatabase,
  filter: ComponentFilter,
  { limit, afterId }: { limit: number; afterId: string | undefined },
  isLocking = false,
): Promise<readonly Component[]> {
  const { retryPolicy } = await reader.read(db, []);
  let query = db.selectFrom('components').select(COMPONENT_COLUMNS);
  if (afterId !== undefined) query = query.where('id', '>', afterId);
  if (isLocking && !dialect.hasOneWriter) query = query.forUpdate();
  const rows = await query
    .where((eb) => matchComponents(eb, dialect, filter, retryPolicy))
    .orderBy('id')
    .limit(limit)
    .execute();
  return toComponents(rows);
}

function putComponents<T>(
  components: ComponentDatabase,
  puts: readonly ComponentPut[],
  at: string,
  toResult: (component: Component) => T,
): Promise<readonly T[]> {
  const last = new Map(puts.map((put) => [put.id, put]));
  return components.write(async (db) => {
    for (const some of inParts([...last.values()].sort(byId))) {
      const names = some.map(({ desiredConfig }) => desiredConfig);
      const { desired } = await components.reader.read(db, names);
      const stored = some.map((put) => newComponent(put, at));
      await saveComponents(db, components.dialect, stored, desired);
    }
    return puts.map((put) => toResult(newComponent(put, at)));
  });
}

async function patchMatching<T>(
  components: ComponentDatabase,
  filter: ComponentFilter,
  patch: ComponentPatch,
  at: string,
  toResult: (component: Component) => T,
): Promise<readonly T[]> {
  if (filter.status !== undefined) await refreshProgress(components, components.reader);
  return components.write(async (db) => {
    if (hasOrder(filter)) await components.dialect.readInOrder?.(db);
    const results: T[] = [];
    let afterId: string | undefined;
    for (;;) {
      const page = { limit: ROWS_AT_ONCE, afterId };
      const found = await readMatching(db, components, filter, page, true);
      const views = await toViews(db, components.reader, found);
      const patched = views
        .filter(({ status }) => (filter.status ?? status) === status)
        .map(({ component }) => ({
          before: component,
          after: patchComponent(component, patch, at),
        }));
      await saveChanged(db, components, patched);
      results.push(...patched.map(({ after }) => toResult(after)));
      afterId = found.at(-1)?.id;
      if (found.length < ROWS_AT_ONCE) return results;
    }
  });
}

function changeComponents(
  components: ComponentDatabase,
  ids: readonly string[],
  decide: (view: ComponentView) => ComponentPatch | undefined,
  at: string,
): Promise<readonly string[]> {
  return components.write(async (db) => {
    const views = await lockViews(db, components, ids);
    const changed = views.flatMap((view) => {
      const patch = decide(view);
      const before = view.component;
      return patch === undefined ? [] : [{ before, after: patchComponent(before, patch, at) }];
    });
    await saveChanged(db, components, changed);
    return changed.map(({ after }) => after.id);
  });
}

async function addMissing(components: ComponentDatabase, ids: readonly string[]): Promise<number> {
  let added = 0;
  for (const some of inParts([...new Set(ids)].sort())) {
    const known = await components.read((db) => listKnown(db, components, some));
    const unknown = some.filter((id) => !known.has(id));
    if (unknown.length > 0) added += await components.write((db) => insertNew(db, unknown));
  }
  return added;
}

async function listKnown(
  db: Connection,
  { dialect }: ComponentDatabase,
  ids: readonly string[],
): Promise<ReadonlySet<string>> {
  const query = db.selectFrom('components').select('id');
  const rows = await query.where('id', 'in', dialect.textsOf(JSON.stringify(ids))).execute();
  return new Set(rows.map(({ id }) => id));
}

/** New components have no configuration, so nothing runs on them yet. */
async function insertNew(db: Connection, ids: readonly string[]): Promise<number> {
  const rows = ids.map((id) =>
    toComponentRow(
      { id, state: [], desiredConfig: '', errorCount: 0, enabled: true, tags: {} },
      () => undefined,
    ),
  );
  const query = db.insertInto('components').values(rows);
  const added = await query
    .onConflict((conflict) => conflict.doNothing())
    .returning('id')
    .execute();
  return added.length;
}
