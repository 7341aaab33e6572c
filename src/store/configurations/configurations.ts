import { sql, type ExpressionBuilder, type Transaction } from 'kysely';
import { invalid, missing } from '../../core/errors.js';
import type { Configuration } from '../../core/configuration.js';
import { createLookup } from '../database/grouping.js';
import { changedMeanwhile, createConfigurationSave } from './configuration-save.js';
import type { Database } from '../database/database.js';
import type { Schema } from '../database/schema.js';
import type { ConfigurationStore } from '../store.js';

export function createConfigurationStore(database: Database): ConfigurationStore {
  const { read, write } = database;
  const findRow = createLookup(
    database,
    (db, names) => db.selectFrom('configurations').selectAll().where('name', 'in', names).execute(),
    ({ name }) => name,
  );
  return {
    find: async (name) => {
      const row = await findRow(name);
      return row && { configuration: toConfiguration(row), version: row.version };
    },
    list: ({ limit, afterId, inUse, tenant }) =>
      read(async (db) => {
        const rows = await db
          .selectFrom('configurations')
          .selectAll()
          .$if(afterId !== undefined, (query) => query.where('name', '>', afterId ?? ''))
          .$if(inUse === true, (query) => query.where(isWanted))
          .$if(inUse === false, (query) => query.where((eb) => eb.not(isWanted(eb))))
          .$if(tenant !== undefined, (query) => query.where('tenant', '=', tenant ?? ''))
          .orderBy('name')
          .limit(limit + 1)
          .execute();
        return { items: rows.slice(0, limit).map(toConfiguration), hasMore: rows.length > limit };
      }),
    save: createConfigurationSave(database),
    remove: (name, ifVersion) => write((db) => removeConfiguration(db, name, ifVersion)),
  };
}

async function removeConfiguration(
  db: Transaction<Schema>,
  name: string,
  ifVersion: number | undefined,
): Promise<void> {
  const removed = await db
    .deleteFrom('configurations')
    .where('name', '=', name)
    .$if(ifVersion !== undefined, (query) => query.where('version', '=', ifVersion ?? 0))
    .returning('name')
    .executeTakeFirst();
  if (removed === undefined) {
    throw ifVersion === undefined
      ? missing('Configuration', name, 'Configuration not found')
      : changedMeanwhile(name);
  }
  await db.deleteFrom('configuration_sources').where('configuration', '=', name).execute();
  const user = await db
    .selectFrom('components')
    .select('id')
    .where('desired_config', '=', name)
    .limit(1)
    .executeTakeFirst();
  if (user !== undefined) {
    throw invalid(
      `Configuration ${name} is in use by component ${user.id}.`,
      'Configuration is in use.',
    );
  }
}

function isWanted(eb: ExpressionBuilder<Schema, 'configurations'>) {
  return eb.exists(
    eb
      .selectFrom('components')
      .select(sql<number>`1`.as('one'))
      .whereRef('components.desired_config', '=', 'configurations.name'),
  );
}

function toConfiguration({ document }: { readonly document: string }): Configuration {
  return JSON.parse(document) as Configuration;
}
