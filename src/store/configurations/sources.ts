import { sql, type ExpressionBuilder, type Transaction } from 'kysely';
import { invalid, missing, ServiceError, taken } from '../../core/errors.js';
import type { Source } from '../../core/source.js';
import type { Database } from '../database/database.js';
import { readOption } from '../options.js';
import { dropNulls } from '../database/row-values.js';
import type { Schema } from '../database/schema.js';
import type { SourceStore, StoredSource } from './source-store.js';

export function createSourceStore(database: Database): SourceStore {
  const { dialect, read, write } = database;
  return {
    find: (name) =>
      read(async (db) => {
        const query = db.selectFrom('sources').selectAll().where('name', '=', name);
        const row = await query.executeTakeFirst();
        if (row === undefined) return undefined;
        const { version, credentials } = dropNulls(row);
        return {
          source: toSource(row),
          version,
          ...(credentials === undefined ? {} : { credentials }),
        };
      }),
    async findUrls(names) {
      if (names.length === 0) return new Map();
      const texts = dialect.textsOf(JSON.stringify(names));
      return read(async (db) => {
        const query = db.selectFrom('sources').select('document');
        const found = (await query.where('name', 'in', texts).execute()).map(toSource);
        return new Map(found.map(({ name, cloneUrl }) => [name, cloneUrl]));
      });
    },
    list: ({ limit, afterId, inUse }) =>
      read(async (db) => {
        const option = await readOption(db, 'additionalInventorySource');
        const rows = await db
          .selectFrom('sources')
          .select('document')
          .$if(afterId !== undefined, (query) => query.where('name', '>', afterId ?? ''))
          .$if(inUse === true, (query) => query.where((eb) => isUsed(eb, option)))
          .$if(inUse === false, (query) => query.where((eb) => eb.not(isUsed(eb, option))))
          .orderBy('name')
          .limit(limit + 1)
          .execute();
        return { items: rows.slice(0, limit).map(toSource), hasMore: rows.length > limit };
      }),
    insert: (source, credentials) => insertSource(database, source, credentials),
    replace: (stored) => replaceSource(database, stored),
    remove: (name) => write((db) => removeSource(db, name)),
  };
}

function insertSource(
  { dialect, write }: Database,
  source: Source,
  credentials: string | undefined,
): Promise<void> {
  const { name } = source;
  return write(async (db) => {
    const version = await dialect.nextRevision(db);
    const inserted = await db
      .insertInto('sources')
      .values({
        name,
        version,
        document: JSON.stringify(source),
        credentials: credentials ?? null,
      })
      .onConflict((conflict) => conflict.doNothing())
      .returning('name')
      .executeTakeFirst();
    if (inserted === undefined) throw taken('source', name);
  });
}

function replaceSource(
  { dialect, write }: Database,
  { source, credentials, version: ifVersion }: StoredSource,
): Promise<void> {
  const { name } = source;
  return write(async (db) => {
    const version = await dialect.nextRevision(db);
    const saved = await db
      .updateTable('sources')
      .set({ version, document: JSON.stringify(source), credentials: credentials ?? null })
      .where('name', '=', name)
      .where('version', '=', ifVersion)
      .returning('name')
      .executeTakeFirst();
    if (saved === undefined)
      throw new ServiceError('conflict', `Source ${name} was changed by somebody else meanwhile.`);
    const users = db.selectFrom('configuration_sources').select('configuration');
    const query = db
      .selectFrom('configurations')
      .select('name')
      .where('name', 'in', users.where('source', '=', name))
      .orderBy('name');
    // Locked in order of names, so that changes of two sources cannot deadlock.
    const found = await query.$if(!dialect.hasOneWriter, (rows) => rows.forNoKeyUpdate()).execute();
    const names = JSON.stringify(found.map((row) => row.name));
    await db
      .updateTable('configurations')
      .set({ version })
      .where('name', 'in', dialect.textsOf(names))
      .execute();
  });
}

/**
 * Deletes first and looks for users afterwards: a configuration that is being saved with the source has locked its row, so it
 * is committed and visible once the delete goes on.
 */
async function removeSource(db: Transaction<Schema>, name: string): Promise<void> {
  const query = db.deleteFrom('sources').where('name', '=', name).returning('name');
  if ((await query.executeTakeFirst()) === undefined)
    throw missing('Source', name, 'Source not found');
  if ((await readOption(db, 'additionalInventorySource')) === name)
    throw used(name, 'option additional_inventory_source');
  const user = await db
    .selectFrom('configuration_sources')
    .select('configuration')
    .where('source', '=', name)
    .limit(1)
    .executeTakeFirst();
  if (user !== undefined) throw used(name, `configuration ${user.configuration}`);
}

function used(name: string, by: string): ServiceError {
  return invalid(`Source ${name} is in use by ${by}.`, 'Source is in use.');
}

function isUsed(eb: ExpressionBuilder<Schema, 'sources'>, option: string) {
  const byConfiguration = eb
    .selectFrom('configuration_sources')
    .select(sql<number>`1`.as('one'))
    .whereRef('configuration_sources.source', '=', 'sources.name');
  return eb.or([eb.exists(byConfiguration), eb('sources.name', '=', option)]);
}

function toSource({ document }: { readonly document: string }): Source {
  return JSON.parse(document) as Source;
}
