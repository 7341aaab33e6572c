import type { Component } from '../../core/component.js';
import { patchComponent } from '../../core/component-change.js';
import { missing } from '../../core/errors.js';
import {
  patchTogether,
  recallDesired,
  type Asked,
  type IdentifiedPatch,
} from './component-patch-group.js';
import { toComponent, toComponentRow, type Changed } from './component-rows.js';
import { lockComponents, saveChanged, type ComponentDatabase } from './component-views.js';
import type { Connection } from '../database/database.js';
import { createGrouping } from '../database/grouping.js';
import { inParts } from '../database/parts.js';
import type { ComponentRow } from '../database/schema.js';
import type { ComponentStore } from '../store.js';

/** A patch of one component, as nodes and callbacks send it, costs as few statements as possible. */
export function createPatch(components: ComponentDatabase): ComponentStore['patch'] {
  const patchOne = createPatchOne(components);
  return async (patches, at, toResult) => {
    const [only, ...more] = patches;
    if (only === undefined || more.length > 0) return patchMany(components, patches, at, toResult);
    return [toResult(await patchOne({ patch: only, at }))];
  };
}

function createPatchOne(components: ComponentDatabase): (asked: Asked) => Promise<Component> {
  if (components.dialect.rowVersion === undefined) {
    return (asked) => components.write((db) => patchAlone(db, components, asked));
  }
  const patch = createGrouping((asked: readonly Asked[]) => patchTogether(components, asked));
  return async (asked) =>
    (await patch(asked)) ??
    components.write(async (db) => {
      // Locked first, so that nobody changes it between the read and the write.
      await lockComponents(db, components, [asked.patch.id]);
      return patchAlone(db, components, asked);
    });
}

async function patchAlone(
  db: Connection,
  { reader }: ComponentDatabase,
  { patch, at }: Asked,
): Promise<Component> {
  const { id, ...changes } = patch;
  const query = db.selectFrom('components').selectAll().where('id', '=', id);
  const row = await query.executeTakeFirst();
  if (row === undefined) throw missing('Component', id);
  const component = patchComponent(toComponent(row), changes, at);
  const desired =
    recallDesired(reader, row, component) ??
    (await reader.read(db, [component.desiredConfig])).desired;
  const set = listChanges(row, toComponentRow(component, desired));
  if (Object.keys(set).length > 0) {
    await db.updateTable('components').set(set).where('id', '=', id).execute();
  }
  return component;
}

/** Only the columns that differ, because each column that an UPDATE names costs a write to its index. */
function listChanges(before: ComponentRow, after: ComponentRow): Partial<ComponentRow> {
  const columns = Object.entries(after) as [keyof ComponentRow, unknown][];
  return Object.fromEntries(columns.filter(([name, value]) => before[name] !== value));
}

function patchMany<T>(
  components: ComponentDatabase,
  patches: readonly IdentifiedPatch[],
  at: string,
  toResult: (component: Component) => T,
): Promise<readonly T[]> {
  // The sort is stable, so patches of the same id stay in order.
  const sorted = patches.map((patch, index) => ({ ...patch, index })).sort(byId);
  return components.write(async (db) => {
    const results = new Array<T>(patches.length);
    for (const some of inParts(sorted)) {
      const stored = await lockComponents(
        db,
        components,
        some.map(({ id }) => id),
      );
      const changed = new Map<string, Changed>();
      for (const { id, index, ...patch } of some) {
        const before = stored.get(id);
        if (before === undefined) throw missing('Component', id);
        const after = patchComponent(changed.get(id)?.after ?? before, patch, at);
        changed.set(id, { before, after });
        results[index] = toResult(after);
      }
      await saveChanged(db, components, [...changed.values()]);
    }
    return results;
  });
}

export function byId(left: { readonly id: string }, right: { readonly id: string }): number {
  if (left.id === right.id) return 0;
  return left.id < right.id ? -1 : 1;
}
