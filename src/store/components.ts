import {
  desiredState,
  newComponent,
  patchComponent,
  toStatus,
  layerProgress,
  type Component,
  type ComponentPatch,
  type ComponentPut,
} from '../core/component.js';
import { missing } from '../core/errors.js';
import { matchComponents } from './component-filter.js';
import { refreshProgress } from './component-progress.js';
import { saveComponents, toComponent } from './component-rows.js';
import type { Connection, Database } from './database.js';
import { createDesiredReader, type DesiredReader } from './desired-layers.js';
import type { ComponentFilter, ComponentStore, ComponentView, PageRequest } from './store.js';

/** Read at once; what they hold is some megabytes. */
const ROWS_PER_READ = 1_000;

const COLUMNS = [
  'id',
  'desired_config',
  'enabled',
  'error_count',
  'retry_policy',
  'tags',
  'state',
] as const;

interface Components extends Database {
  readonly reader: DesiredReader;
}

export function createComponentStore(database: Database): ComponentStore {
  const reader = createDesiredReader(database.dialect);
  const components = { ...database, reader };
  return {
    find: (id) =>
      database.read(async (db) => {
        const query = db.selectFrom('components').select(COLUMNS).where('id', '=', id);
        const row = await query.executeTakeFirst();
        if (row === undefined) return undefined;
        return (await toViews(db, reader, [toComponent(row)]))[0];
      }),
    list: async (filter, page) => {
      if (filter.status !== undefined) await refreshProgress(database, reader);
      return database.read((db) => listComponents(db, components, filter, page));
    },
    put: (puts, at, toResult) => putComponents(components, puts, at, toResult),
    patch: (patches, at, toResult) => patchComponents(components, patches, at, toResult),
    patchMatching: (filter, patch, at, toResult) =>
      patchMatching(components, filter, patch, at, toResult),
    change: (ids, decide, at) => changeComponents(components, ids, decide, at),
    remove: (id) =>
      database.write(async (db) => {
        const query = db.deleteFrom('components').where('id', '=', id).returning('id');
        if ((await query.executeTakeFirst()) === undefined) throw missing('Component', id);
      }),
  };
}

/** Rows that match by what was last compared, and of them those that match now, until the page is full. */
async function listComponents(
  db: Connection,
  components: Components,
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
  { dialect, reader }: Components,
  filter: ComponentFilter,
  { limit, afterId }: { limit: number; afterId: string | undefined },
  isLocking = false,
): Promise<readonly Component[]> {
  const { retryPolicy } = await reader.read(db, []);
  let query = db.selectFrom('components').select(COLUMNS);
  if (afterId !== undefined) query = query.where('id', '>', afterId);
  if (isLocking && !dialect.hasOneWriter) query = query.forUpdate();
  const rows = await query
    .where((eb) => matchComponents(eb, dialect, filter, retryPolicy))
    .orderBy('id')
    .limit(limit)
    .execute();
  return rows.map(toComponent);
}

async function toViews(
  db: Connection,
  reader: DesiredReader,
  found: readonly Component[],
): Promise<readonly ComponentView[]> {
  const names = found.map(({ desiredConfig }) => desiredConfig);
  const { desired, retryPolicy } = await reader.read(db, names);
  return found.map((component) => {
    const layers = desired(component.desiredConfig)?.layers;
    return {
      component,
      status: toStatus(component, layerProgress(component, layers), retryPolicy),
      desiredState: desiredState(component, layers ?? [], retryPolicy),
    };
  });
}

function putComponents<T>(
  components: Components,
  puts: readonly ComponentPut[],
  at: string,
  toResult: (component: Component) => T,
): Promise<readonly T[]> {
  return components.write(async (db) => {
    const last = new Map<string, Component>();
    const results = puts.map((put) => {
      const component = newComponent(put, at);
      last.set(component.id, component);
      return toResult(component);
    });
    await save(db, components, last.values());
    return results;
  });
}

function patchComponents<T>(
  components: Components,
  patches: readonly (ComponentPatch & Pick<Component, 'id'>)[],
  at: string,
  toResult: (component: Component) => T,
): Promise<readonly T[]> {
  return components.write(async (db) => {
    const stored = await lock(
      db,
      components,
      patches.map(({ id }) => id),
    );
    const results = patches.map(({ id, ...patch }) => {
      const before = stored.get(id);
      if (before === undefined) throw missing('Component', id);
      const component = patchComponent(before, patch, at);
      stored.set(id, component);
      return toResult(component);
    });
    await save(db, components, stored.values());
    return results;
  });
}

async function patchMatching<T>(
  components: Components,
  filter: ComponentFilter,
  patch: ComponentPatch,
  at: string,
  toResult: (component: Component) => T,
): Promise<readonly T[]> {
  if (filter.status !== undefined) await refreshProgress(components, components.reader);
  return components.write(async (db) => {
    const results: T[] = [];
    let afterId: string | undefined;
    for (;;) {
      const page = { limit: ROWS_PER_READ, afterId };
      const found = await readMatching(db, components, filter, page, true);
      const views = await toViews(db, components.reader, found);
      const patched = views
        .filter(({ status }) => (filter.status ?? status) === status)
        .map(({ component }) => patchComponent(component, patch, at));
      await save(db, components, patched);
      results.push(...patched.map(toResult));
      afterId = found.at(-1)?.id;
      if (found.length < ROWS_PER_READ) return results;
    }
  });
}

function changeComponents(
  components: Components,
  ids: readonly string[],
  decide: (view: ComponentView) => ComponentPatch | undefined,
  at: string,
): Promise<readonly string[]> {
  return components.write(async (db) => {
    const stored = await lock(db, components, ids);
    const views = await toViews(db, components.reader, [...stored.values()]);
    const changed = views.flatMap((view) => {
      const patch = decide(view);
      return patch === undefined ? [] : [patchComponent(view.component, patch, at)];
    });
    await save(db, components, changed);
    return changed.map(({ id }) => id);
  });
}

/** Those that are stored, by id. In order of ids, so that two of these wait for each other and never in a circle. */
async function lock(
  db: Connection,
  { dialect }: Components,
  ids: readonly string[],
): Promise<Map<string, Component>> {
  const sorted = [...new Set(ids)].sort();
  const stored = new Map<string, Component>();
  for (let first = 0; first < sorted.length; first += ROWS_PER_READ) {
    const some = JSON.stringify(sorted.slice(first, first + ROWS_PER_READ));
    let query = db.selectFrom('components').select(COLUMNS);
    if (!dialect.hasOneWriter) query = query.forUpdate();
    const rows = await query.where('id', 'in', dialect.textsOf(some)).orderBy('id').execute();
    for (const row of rows) stored.set(row.id, toComponent(row));
  }
  return stored;
}

async function save(db: Connection, components: Components, changed: Iterable<Component>) {
  const list = [...changed];
  if (list.length === 0) return;
  const names = list.map(({ desiredConfig }) => desiredConfig);
  const { desired } = await components.reader.read(db, names);
  await saveComponents(db, components.dialect, list, desired);
}
