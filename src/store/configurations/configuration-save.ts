import { sql, type Transaction } from 'kysely';
import { invalid, ServiceError } from '../../core/errors.js';
import { listSources, type Configuration } from '../../core/configuration.js';
import { createGrouping } from '../database/grouping.js';
import type { Database } from '../database/database.js';
import type { StoreDialect } from '../database/dialect.js';
import type { Schema } from '../database/schema.js';
import type { ConfigurationStore } from '../store.js';

/** On PostgreSQL, simultaneous PUTs share a statement if they set no condition and name no source. */
export function createConfigurationSave(database: Database): ConfigurationStore['save'] {
  const { dialect, write } = database;
  const saveOne: ConfigurationStore['save'] = (configuration, ifVersion) =>
    write(async (db) => {
      const version = await dialect.nextRevision(db);
      // Before the configuration's row, as a change of a source locks them, so that the two cannot deadlock.
      await lockSources(db, dialect, listSources(configuration));
      await saveRow(db, { configuration, version, ifVersion });
      await saveUses(db, configuration);
    });
  if (dialect.hasOneWriter) return saveOne;
  const batched = createGrouping((configurations: readonly Configuration[]) =>
    saveTogether(database, configurations),
  );
  return async (configuration, ifVersion) => {
    const isPlain = ifVersion === undefined && listSources(configuration).length === 0;
    if (isPlain && (await batched(configuration))) return;
    await saveOne(configuration, ifVersion);
  };
}

/**
 * Of configurations with the same name the last is stored, as if the others had been written before it. False for one that
 * must be saved alone: its row is locked, or was inserted just now, so that this statement cannot see the sources that it
 * names.
 */
function saveTogether(
  { writeAtOnce }: Database,
  configurations: readonly Configuration[],
): Promise<readonly boolean[]> {
  const last = new Map(configurations.map((configuration) => [configuration.name, configuration]));
  // Sorted, so that two such transactions cannot deadlock.
  const names = [...last.keys()].sort();
  const documents = names.map((name) => JSON.stringify(last.get(name)));
  const tenants = names.map((name) => last.get(name)?.tenantName ?? null);
  return writeAtOnce(async (db) => {
    const { rows } = await sql<{ name: string }>`
      with free as (
        select name from configurations where name = any(${names}::text[]) for update skip locked),
      held as (
        select name from configurations
        where name = any(${names}::text[]) and name not in (select name from free)),
      unused as (
        delete from configuration_sources
        where configuration = any(${names}::text[]) and configuration not in (select name from held))
      insert into configurations (name, version, document, tenant)
      select name, nextval('configuration_revision'), document, tenant
      from unnest(${names}::text[], ${documents}::text[], ${tenants}::text[])
        as given (name, document, tenant)
      where name not in (select name from held)
      on conflict (name) do update
        set version = excluded.version, document = excluded.document, tenant = excluded.tenant
        where exists (select from free where free.name = excluded.name)
      returning name`.execute(db);
    const saved = new Set(rows.map(({ name }) => name));
    return configurations.map(({ name }) => saved.has(name));
  });
}

interface Save {
  readonly configuration: Configuration;
  readonly version: number;
  readonly ifVersion: number | undefined;
}

async function saveRow(
  db: Transaction<Schema>,
  { configuration, version, ifVersion }: Save,
): Promise<void> {
  const { name, tenantName } = configuration;
  const content = { version, document: JSON.stringify(configuration), tenant: tenantName ?? null };
  const insert = db.insertInto('configurations').values({ name, ...content });
  if (ifVersion === undefined) {
    await insert.onConflict((conflict) => conflict.column('name').doUpdateSet(content)).execute();
    return;
  }
  const query =
    ifVersion === 0
      ? insert.onConflict((conflict) => conflict.doNothing()).returning('name')
      : db
          .updateTable('configurations')
          .set(content)
          .where('name', '=', name)
          .where('version', '=', ifVersion)
          .returning('name');
  if ((await query.executeTakeFirst()) === undefined) throw changedMeanwhile(name);
}

/** Locks the sources' rows until the transaction ends, so that none is deleted meanwhile. */
async function lockSources(
  db: Transaction<Schema>,
  dialect: StoreDialect,
  sources: readonly string[],
): Promise<void> {
  if (sources.length === 0) return;
  const found = await db
    .selectFrom('sources')
    .select('name')
    .where('name', 'in', dialect.textsOf(JSON.stringify(sources)))
    .orderBy('name')
    .$if(!dialect.hasOneWriter, (query) => query.forShare())
    .execute();
  const known = new Set(found.map((row) => row.name));
  const unknown = sources.find((source) => !known.has(source));
  if (unknown !== undefined)
    throw invalid(`The source ${unknown} does not exist.`, 'Source does not exist');
}

async function saveUses(db: Transaction<Schema>, configuration: Configuration): Promise<void> {
  const { name } = configuration;
  await db.deleteFrom('configuration_sources').where('configuration', '=', name).execute();
  const rows = listSources(configuration).map((source) => ({ source, configuration: name }));
  if (rows.length > 0) await db.insertInto('configuration_sources').values(rows).execute();
}

export function changedMeanwhile(name: string): ServiceError {
  return new ServiceError(
    'conflict',
    `Configuration ${name} was changed by somebody else meanwhile.`,
  );
}
