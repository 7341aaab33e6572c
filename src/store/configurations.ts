import { missing, ServiceError } from '../core/errors.js';
import type { Configuration } from '../core/configuration.js';
import type { Database } from './database.js';
import type { ConfigurationStore } from './store.js';

export function createConfigurationStore(database: Database): ConfigurationStore {
  const { read, write } = database;
  return {
    find: (name) =>
      read(async (db) => {
        const query = db.selectFrom('configurations').selectAll().where('name', '=', name);
        const row = await query.executeTakeFirst();
        return row === undefined
          ? undefined
          : { configuration: toConfiguration(row), version: row.version };
      }),
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
    save: (configuration, ifVersion) => saveConfiguration(database, configuration, ifVersion),
    remove: (name) =>
      write(async (db) => {
        const query = db.deleteFrom('configurations').where('name', '=', name).returning('name');
        if ((await query.executeTakeFirst()) === undefined) {
          throw missing('Configuration', name, 'Configuration not found');
        }
      }),
  };
}

function saveConfiguration(
  { dialect, write }: Database,
  configuration: Configuration,
  ifVersion: number | undefined,
): Promise<void> {
  const { name } = configuration;
  const document = JSON.stringify(configuration);
  return write(async (db) => {
    const version = await dialect.nextRevision(db);
    if (ifVersion === undefined) {
      await db
        .insertInto('configurations')
        .values({ name, version, document })
        .onConflict((conflict) => conflict.column('name').doUpdateSet({ version, document }))
        .execute();
      return;
    }
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
