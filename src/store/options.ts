import { DEFAULT_OPTIONS, type Options } from '../core/options.js';
import { createSharedRead } from './database/grouping.js';
import type { Connection, Database } from './database/database.js';
import type { OptionStore } from './store.js';

export function createOptionStore(database: Database): OptionStore {
  return {
    get: createSharedRead(database, readOptions),
    patch: (changes) =>
      database.write(async (db, emit) => {
        // Sorted, so that two such transactions lock the rows in the same order and cannot deadlock.
        for (const [name, change] of Object.entries(changes).sort(byName)) {
          const value = JSON.stringify(change);
          await db
            .insertInto('options')
            .values({ name, value })
            .onConflict((conflict) => conflict.column('name').doUpdateSet({ value }))
            .execute();
        }
        emit({ kind: 'any' });
        return readOptions(db);
      }),
  };
}

function byName([left]: [string, unknown], [right]: [string, unknown]): number {
  return left < right ? -1 : 1;
}

export async function readOption<Name extends keyof Options>(
  db: Connection,
  name: Name,
): Promise<Options[Name]> {
  return toOption(name, (await selectOption(db, name).executeTakeFirst())?.value);
}

/** The query for one option. It can be run by itself or be part of another query. */
export function selectOption(db: Connection, name: keyof Options) {
  return db.selectFrom('options').select('value').where('options.name', '=', name);
}

export function toOption<Name extends keyof Options>(
  name: Name,
  value: string | null | undefined,
): Options[Name] {
  return typeof value === 'string' ? (JSON.parse(value) as Options[Name]) : DEFAULT_OPTIONS[name];
}

/** Ignores options that this version does not know, because a later version stored them. */
async function readOptions(db: Connection): Promise<Options> {
  const rows = await db.selectFrom('options').selectAll().execute();
  const stored = rows.filter(({ name }) => name in DEFAULT_OPTIONS);
  return {
    ...DEFAULT_OPTIONS,
    ...(Object.fromEntries(
      stored.map(({ name, value }) => [name, JSON.parse(value) as unknown]),
    ) as Partial<Options>),
  };
}
