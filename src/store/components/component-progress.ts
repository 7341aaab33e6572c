import { sql } from 'kysely';
import type { StateLayer } from '../../core/component.js';
import { layerProgress } from '../../core/component-status.js';
import type { Connection, Database } from '../database/database.js';
import { ROWS_AT_ONCE } from '../database/parts.js';
import { fromProgressKey, toProgressKey, type DesiredReader } from './desired-layers.js';

/**
 * A component's progress is stored with a key of what it was compared with. A change of a configuration, a source or an
 * option only makes keys outdated, which costs nothing then. A filter by status brings them up to date first.
 */
export async function refreshProgress(database: Database, reader: DesiredReader): Promise<void> {
  const old = await database.read(async (db) => {
    const keys = await listKeys(db);
    const { desired } = await reader.read(db, keys.map(fromProgressKey));
    return keys.filter((key) => {
      const name = fromProgressKey(key);
      return key !== toProgressKey(name, desired(name));
    });
  });
  for (const key of old) {
    while (await refreshSome(database, reader, key));
  }
}

/** All distinct keys, each found in the index after the one before: a thousand keys of a million rows take a thousand steps. */
async function listKeys(db: Connection): Promise<readonly string[]> {
  const { rows } = await sql<{ key: string }>`
    with recursive keys (key) as (
      select min(progress_key) from components
      union all
      select (select min(progress_key) from components where progress_key > keys.key)
      from keys where keys.key is not null
    )
    select key from keys where key is not null`.execute(db);
  return rows.map(({ key }) => key);
}

/** One of many short transactions, so that nobody waits for a whole fleet. False if no component with this key is left. */
function refreshSome({ write, dialect }: Database, reader: DesiredReader, key: string) {
  const name = fromProgressKey(key);
  return write(async (db) => {
    const { desired } = await reader.read(db, [name]);
    const layers = desired(name);
    const current = toProgressKey(name, layers);
    if (current === key) return false;
    let query = db.selectFrom('components').select(['id', 'state']);
    if (!dialect.hasOneWriter) query = query.forUpdate();
    const rows = await query
      .where('progress_key', '=', key)
      .orderBy('id')
      .limit(ROWS_AT_ONCE)
      .execute();
    const compared = rows.map(({ id, state }) => ({
      id,
      progress: layerProgress({ state: JSON.parse(state) as StateLayer[] }, layers?.layers),
    }));
    for (const progress of new Set(compared.map((row) => row.progress))) {
      const ids = compared.filter((row) => row.progress === progress).map(({ id }) => id);
      await db
        .updateTable('components')
        .set({ progress, progress_key: current })
        .where('id', 'in', dialect.textsOf(JSON.stringify(ids)))
        .execute();
    }
    return rows.length === ROWS_AT_ONCE;
  });
}
