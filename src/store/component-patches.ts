import { patchComponent, type Component, type ComponentPatch } from '../core/component.js';
import { missing } from '../core/errors.js';
import { toComponent, toComponentRow } from './component-rows.js';
import {
  lockComponents,
  ROWS_PER_READ,
  saveChanged,
  type ComponentDatabase,
} from './component-views.js';
import type { Connection } from './database.js';
import type { ComponentRow } from './schema.js';

type IdentifiedPatch = ComponentPatch & Pick<Component, 'id'>;

/** One by itself, as nodes and callbacks send them, costs as few statements as it can. */
export async function patchComponents<T>(
  components: ComponentDatabase,
  patches: readonly IdentifiedPatch[],
  at: string,
  toResult: (component: Component) => T,
): Promise<readonly T[]> {
  const [only, ...more] = patches;
  if (only === undefined || more.length > 0) return patchMany(components, patches, at, toResult);
  return [toResult(await patchOne(components, only, at))];
}

async function patchOne(
  components: ComponentDatabase,
  patch: IdentifiedPatch,
  at: string,
): Promise<Component> {
  const { dialect, read, write, writeAtOnce } = components;
  if (dialect.rowVersion !== undefined) {
    const plan = await read((db) => planPatch(db, components, patch, at));
    if (await writeAtOnce((db) => savePlan(db, components, plan))) return plan.component;
  }
  return write(async (db) => {
    // Whoever else would change it waits, so what is planned now comes to be.
    if (!dialect.hasOneWriter) await lockComponents(db, components, [patch.id]);
    const plan = await planPatch(db, components, patch, at);
    await savePlan(db, components, plan);
    return plan.component;
  });
}

interface PatchPlan {
  readonly component: Component;
  readonly changes: Partial<ComponentRow>;
  readonly rowVersion?: string;
}

async function planPatch(
  db: Connection,
  { dialect, reader }: ComponentDatabase,
  { id, ...patch }: IdentifiedPatch,
  at: string,
): Promise<PatchPlan> {
  const { rowVersion: version } = dialect;
  const query = db.selectFrom('components').selectAll().where('id', '=', id);
  const row = await (
    version === undefined ? query : query.select(version.$castTo<string>().as('row_version'))
  ).executeTakeFirst();
  if (row === undefined) throw missing('Component', id);
  const component = patchComponent(toComponent(row), patch, at);
  const { desired } = await reader.read(db, [component.desiredConfig]);
  const after = Object.entries(toComponentRow(component, desired)) as [
    keyof ComponentRow,
    unknown,
  ][];
  return {
    component,
    // Those alone: each that is named costs an index.
    changes: Object.fromEntries(after.filter(([name, value]) => row[name] !== value)),
    ...('row_version' in row ? { rowVersion: row.row_version as string } : {}),
  };
}

/** False: somebody else has changed the row since, or removed it, and nothing is done. */
async function savePlan(
  db: Connection,
  { dialect }: ComponentDatabase,
  { component, changes, rowVersion }: PatchPlan,
): Promise<boolean> {
  if (Object.keys(changes).length === 0) return true;
  const { rowVersion: version } = dialect;
  const query = db.updateTable('components').set(changes).where('id', '=', component.id);
  const saved = await (
    version === undefined || rowVersion === undefined
      ? query
      : query.where(version, '=', rowVersion)
  )
    .returning('id')
    .executeTakeFirst();
  return saved !== undefined;
}

function patchMany<T>(
  components: ComponentDatabase,
  patches: readonly IdentifiedPatch[],
  at: string,
  toResult: (component: Component) => T,
): Promise<readonly T[]> {
  // A stable sort: those of one id stay in their order.
  const sorted = patches.map((patch, index) => ({ ...patch, index })).sort(byId);
  return components.write(async (db) => {
    const results = new Array<T>(patches.length);
    for (const some of inParts(sorted)) {
      const stored = await lockComponents(
        db,
        components,
        some.map(({ id }) => id),
      );
      for (const { id, index, ...patch } of some) {
        const before = stored.get(id);
        if (before === undefined) throw missing('Component', id);
        const component = patchComponent(before, patch, at);
        stored.set(id, component);
        results[index] = toResult(component);
      }
      await saveChanged(db, components, stored.values());
    }
    return results;
  });
}

export function byId(left: { readonly id: string }, right: { readonly id: string }): number {
  if (left.id === right.id) return 0;
  return left.id < right.id ? -1 : 1;
}

/** Never more than some megabytes of state are there at a time. */
export function* inParts<T>(items: readonly T[]): Generator<readonly T[]> {
  for (let first = 0; first < items.length; first += ROWS_PER_READ) {
    yield items.slice(first, first + ROWS_PER_READ);
  }
}
