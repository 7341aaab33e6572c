import type { Component } from '../../core/component.js';
import { desiredState, layerProgress, toStatus } from '../../core/component-status.js';
import {
  COMPONENT_COLUMNS,
  toComponents,
  updateComponents,
  type Changed,
} from './component-rows.js';
import type { Connection, Database } from '../database/database.js';
import { inParts } from '../database/parts.js';
import type { DesiredReader } from './desired-layers.js';
import type { ComponentView } from '../store.js';

export interface ComponentDatabase extends Database {
  readonly reader: DesiredReader;
}

/** Adds what follows from configurations, sources and options as they are now. */
export async function toViews(
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

/**
 * Locks the components that exist, and returns them by id. Locks in order of ids, so that two such transactions cannot
 * deadlock.
 */
export async function lockComponents(
  db: Connection,
  { dialect }: ComponentDatabase,
  ids: readonly string[],
): Promise<Map<string, Component>> {
  const sorted = [...new Set(ids)].sort();
  const stored = new Map<string, Component>();
  for (const some of inParts(sorted)) {
    const texts = dialect.textsOf(JSON.stringify(some));
    let query = db.selectFrom('components').select(COMPONENT_COLUMNS);
    if (!dialect.hasOneWriter) query = query.forUpdate();
    const rows = await query.where('id', 'in', texts).orderBy('id').execute();
    for (const component of toComponents(rows)) stored.set(component.id, component);
  }
  return stored;
}

export async function lockViews(
  db: Connection,
  database: ComponentDatabase,
  ids: readonly string[],
): Promise<readonly ComponentView[]> {
  const stored = await lockComponents(db, database, ids);
  return toViews(db, database.reader, [...stored.values()]);
}

/** Updates components that the caller has locked, and compares each with its configuration again. */
export async function saveChanged(
  db: Connection,
  { dialect, reader }: ComponentDatabase,
  changed: readonly Changed[],
): Promise<void> {
  if (changed.length === 0) return;
  const names = changed.map(({ after }) => after.desiredConfig);
  const { desired } = await reader.read(db, names);
  await updateComponents(db, dialect, changed, desired);
}
