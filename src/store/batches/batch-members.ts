import type { StoreDialect } from '../database/dialect.js';
import type { Connection } from '../database/database.js';

/** Batch id → its components, in order of ids. */
export async function listMembers(
  db: Connection,
  dialect: StoreDialect,
  batchIds: readonly string[],
): Promise<ReadonlyMap<string, readonly string[]>> {
  const members = new Map<string, string[]>();
  if (batchIds.length === 0) return members;
  const texts = dialect.textsOf(JSON.stringify(batchIds));
  const rows = await db
    .selectFrom('batch_members')
    .selectAll()
    .where((eb) => dialect.isOneOfFew(eb.ref('batch_id'), texts))
    .orderBy('batch_id')
    .orderBy('component_id')
    .execute();
  for (const { batch_id: batchId, component_id: componentId } of rows) {
    const ids = members.get(batchId) ?? [];
    ids.push(componentId);
    members.set(batchId, ids);
  }
  return members;
}

/** Takes components out of their batches, so that they are free for another one. */
export async function freeMembers(
  db: Connection,
  dialect: StoreDialect,
  ids: readonly string[],
): Promise<void> {
  if (ids.length === 0) return;
  await db
    .deleteFrom('batch_members')
    .where('component_id', 'in', dialect.textsOf(JSON.stringify(ids)))
    .execute();
}
