import { sql, type Kysely } from 'kysely';
import type { Configuration } from '../../core/configuration.js';
import type { StoreDialect } from '../database/dialect.js';

/** `configuration_sources` tells what uses a source when it is to be deleted, or listed by use. */
export async function createSources(
  db: Kysely<unknown>,
  { types: { text } }: StoreDialect,
): Promise<void> {
  await db.schema
    .createTable('sources')
    .addColumn('name', text, (column) => column.primaryKey().notNull())
    .addColumn('version', 'bigint', (column) => column.notNull())
    .addColumn('document', text, (column) => column.notNull())
    .addColumn('credentials', text)
    .execute();
  await db.schema.alterTable('configurations').addColumn('tenant', text).execute();
  // An earlier version kept the tenant only in the document.
  await copyTenants(db);
  await db.schema
    .createIndex('configurations_by_tenant')
    .on('configurations')
    .columns(['tenant', 'name'])
    .execute();
  await db.schema
    .createTable('configuration_sources')
    .addColumn('source', text, (column) => column.notNull())
    .addColumn('configuration', text, (column) => column.notNull())
    .addPrimaryKeyConstraint('configuration_sources_key', ['source', 'configuration'])
    .execute();
  await db.schema
    .createIndex('configuration_sources_by_configuration')
    .on('configuration_sources')
    .column('configuration')
    .execute();
}

async function copyTenants(db: Kysely<unknown>): Promise<void> {
  const { rows } = await sql<{
    name: string;
    document: string;
  }>`select name, document from configurations`.execute(db);
  for (const { name, document } of rows) {
    const { tenantName } = JSON.parse(document) as Configuration;
    if (tenantName !== undefined)
      await sql`update configurations set tenant = ${tenantName} where name = ${name}`.execute(db);
  }
}
