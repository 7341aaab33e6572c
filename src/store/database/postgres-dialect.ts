import { type Kysely, PostgresDialect, sql, type Transaction } from 'kysely';
import type { Pool } from 'pg';
import type { StoreDialect } from './dialect.js';
import { toKyselyPool } from './postgres-connection.js';
import { isDeadlock, toFault } from './postgres-faults.js';
import { indexNameParts } from './postgres-name-parts.js';
import type { Notices } from './postgres-notices.js';
import type { Schema } from './schema.js';
import { createPostgresTagTriggers } from './tag-triggers.js';

/** Any number that nobody else takes; Kysely's own lock is given back before the commit. */
const MIGRATION_LOCK = 5_147_211_904;

export interface PostgresParts {
  readonly pool: Pool;
  /** Of a query of the pool; a server that says nothing at all is away. */
  readonly answerMs?: number;
  readonly migrationPool: Pool;
  readonly notices: Notices;
}

export function createPostgresDialect({
  pool,
  answerMs,
  migrationPool,
  notices,
}: PostgresParts): StoreDialect {
  const dialect = new PostgresDialect({ pool: toKyselyPool(pool, answerMs) });
  return {
    writer: dialect,
    reader: dialect,
    migrator: new PostgresDialect({ pool: toKyselyPool(migrationPool) }),
    types: { text: sql`text collate "C"`, bytes: 'bytea' },
    hasOneWriter: false,
    indexesLongTexts: false,
    rowVersion: sql`xmin::text`,
    clock: sql`to_char(clock_timestamp() at time zone 'utc', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"')`,
    contains: (text, part) => sql`strpos(${text}, ${part}) > 0`,
    // Unlike strpos, it goes by trigrams where there are some.
    nameContains: (part) => sql`name like ${`%${part.replace(/[\\%_]/g, '\\$&')}%`}`,
    // As a sub-select it would be planned by statistics, which know nothing of the last minutes and of what is deleted.
    isOneOfFew: (id, ids) => sql`${id} = any(array${ids})`,
    readInOrder: async (db) => {
      await sql`set local enable_bitmapscan to off`.execute(db);
    },
    textsOf: (json) => sql`(select json_array_elements_text(${json}::json) collate "C")`,
    rowsOf: (json, columns) => {
      const types = Object.entries(columns).map(
        ([name, type]) => sql`${sql.ref(name)} ${sql.raw(type)}`,
      );
      return sql`json_to_recordset(${json}::json) as given(${sql.join(types)})`;
    },
    // A row that every writer of a configuration updates would let them commit one by one.
    createRevision: async (db) => {
      await sql`create sequence configuration_revision`.execute(db);
    },
    createTagTriggers: createPostgresTagTriggers,
    indexNameParts,
    keepLogsAsTheyCome: async (db) => {
      await sql`alter table log_chunks alter column gzip set storage external`.execute(db);
    },
    nextRevision: async (db) => {
      const { rows } = await sql<{ revision: number }>`
        select nextval('configuration_revision') as revision`.execute(db);
      return rows[0]?.revision ?? 0;
    },
    beforeMigration: async (db) => {
      await refuseUnfitServer(db);
      await sql`select pg_advisory_xact_lock(${sql.lit(MIGRATION_LOCK)})`.execute(db);
    },
    toFault,
    isDeadlock,
    announce: (changes) => notices.announce(changes),
    watch: (onChange) => notices.watch(onChange),
    pool: () => ({
      used: pool.totalCount - pool.idleCount,
      idle: pool.idleCount,
      max: pool.options.max,
      waiting: pool.waitingCount,
    }),
    close: () => notices.close(),
  };
}

async function refuseUnfitServer(db: Kysely<Schema> | Transaction<Schema>): Promise<void> {
  const { rows } = await sql<{ version: number; encoding: string }>`
    select current_setting('server_version_num')::int as version, current_setting('server_encoding') as encoding`.execute(
    db,
  );
  const { version = 0, encoding } = rows[0] ?? {};
  if (version < 140_000) throw new Error('DATABASE_URL: PostgreSQL 14 or newer is needed.');
  if (encoding !== 'UTF8') {
    throw new Error(`DATABASE_URL: the database is encoded in ${encoding}; it must be UTF8.`);
  }
}
