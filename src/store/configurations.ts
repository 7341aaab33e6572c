import { sql } from 'kysely';
import { missing, ServiceError } from '../core/errors.js';
import type { Configuration } from '../core/configuration.js';
import { createBatch, createLookup } from './batch.js';
import type { Database } from './database.js';
import type { ConfigurationStore } from './store.js';

export function createConfigurationStore(database: Database): ConfigurationStore {
  const { read, write } = database;
  const findRow = createLookup(
    database,
    (db, names) => db.selectFrom('configurations').selectAll().where('name', 'in', names).execute(),
    ({ name }) => name,
  );
  const save = createSave(database);
  return {
    find: async (name) => {
      const row = await findRow(name);
      return row && { configuration: toConfiguration(row), version: row.version };
    },
    list: ({ limit, afterId }) =>
      read(async (db) => {
        const rows = await db
          .selectFrom('configurations')
          .selectAll()
          .$if(afterId !== undefined, (query) => query.where('name', '>', afterId ?? ''))
          .orderBy('name')
          .limit(limit + 1)
          .execute();
        return { items: rows.slice(0, limit).map(toConfiguration), hasMore: rows.length > limit };
      }),
    save: async (configuration, ifVersion) => {
      if (ifVersion === undefined) await save(configuration);
      else await replaceConfiguration(database, configuration, ifVersion);
    },
    remove: (name) =>
      write(async (db) => {
        const query = db.deleteFrom('configurations').where('name', '=', name).returning('name');
        if ((await query.executeTakeFirst()) === undefined) {
          throw missing('Configuration', name, 'Configuration not found');
        }
      }),
  };
}

/** Where a write is a round trip, those that come at the same time are one. */
function createSave(database: Database): (configuration: Configuration) => Promise<unknown> {
  return database.dialect.hasOneWriter
    ? (configuration) => saveOne(database, configuration)
    : createBatch((configurations: readonly Configuration[]) =>
        saveTogether(database, configurations),
      );
}

function saveOne({ dialect, write }: Database, configuration: Configuration): Promise<void> {
  const { name } = configuration;
  const document = JSON.stringify(configuration);
  return write(async (db) => {
    const version = await dialect.nextRevision(db);
    await db
      .insertInto('configurations')
      .values({ name, version, document })
      .onConflict((conflict) => conflict.column('name').doUpdateSet({ version, document }))
      .execute();
  });
}

/** Of one name the last that came stays, as if the others had been written before it. */
function saveTogether(
  { writeAtOnce }: Database,
  configurations: readonly Configuration[],
): Promise<readonly undefined[]> {
  const last = new Map(configurations.map((configuration) => [configuration.name, configuration]));
  // In one order, so that two of these wait for each other and never in a circle.
  const names = [...last.keys()].sort();
  const documents = names.map((name) => JSON.stringify(last.get(name)));
  return writeAtOnce(async (db) => {
    await sql`
      insert into configurations (name, version, document)
      select name, nextval('configuration_revision'), document
      from unnest(${names}::text[], ${documents}::text[]) as given (name, document)
      on conflict (name) do update set version = excluded.version, document = excluded.document`.execute(
      db,
    );
    return configurations.map(() => undefined);
  });
}

function replaceConfiguration(
  { dialect, write }: Database,
  configuration: Configuration,
  ifVersion: number,
): Promise<void> {
  const { name } = configuration;
  const document = JSON.stringify(configuration);
  return write(async (db) => {
    const version = await dialect.nextRevision(db);
    const saved = await db
      .updateTable('configurations')
      .set({ version, document })
      .where('name', '=', name)
      .where('version', '=', ifVersion)
      .returning('name')
      .executeTakeFirst();
    if (saved === undefined) {
      throw new ServiceError(
        'conflict',
        `Configuration ${name} was changed by somebody else meanwhile.`,
      );
    }
  });
}

function toConfiguration({ document }: { readonly document: string }): Configuration {
  return JSON.parse(document) as Configuration;
}
