import { PostgresDialect, sql } from 'kysely';
import type { Pool } from 'pg';
import type { StoreDialect } from './dialect.js';
import { toKyselyPool, type toTimeouts } from './postgres-connection.js';
import { isDeadlock, toFault } from './postgres-faults.js';
import {
  createMigrationDialect,
  createMigrationTurns,
  type MigrationWaiting,
} from './postgres-migrating.js';
import { indexNameParts } from './postgres-name-parts.js';
import type { Notices } from './postgres-notices.js';
import { createPostgresNotificationTrigger } from './notification-triggers.js';
import { createPostgresTagTriggers } from './tag-triggers.js';

export interface PostgresParts {
  readonly pool: Pool;
  /** Limits of the pool's queries. */
  readonly timeouts?: ReturnType<typeof toTimeouts>;
  readonly migrationPool: Pool;
  readonly migration?: MigrationWaiting;
  readonly notices: Notices;
}

export function createPostgresDialect({
  pool,
  timeouts,
  migrationPool,
  migration = {},
  notices,
}: PostgresParts): StoreDialect {
  const dialect = new PostgresDialect({ pool: toKyselyPool(pool, timeouts) });
  return {
    writer: dialect,
    reader: dialect,
    migrator: createMigrationDialect(toKyselyPool(migrationPool)),
    readTogether: (reader, query) =>
      reader
        .transaction()
        .setIsolationLevel('repeatable read')
        .setAccessMode('read only')
        .execute(query),
    types: { text: sql`text collate "C"`, bytes: 'bytea' },
    hasOneWriter: false,
    indexesLongTexts: false,
    rowVersion: sql`xmin::text`,
    clock: sql`to_char(clock_timestamp() at time zone 'utc', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"')`,
    contains: (text, part) => sql`strpos(${text}, ${part}) > 0`,
    // Unlike strpos, `like` can use the trigram index.
    nameContains: (part) => sql`name like ${`%${part.replace(/[\\%_]/g, '\\$&')}%`}`,
    // An array, because a sub-select is planned by statistics, which know nothing of the last minutes or of deleted rows.
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
    // A sequence, because writers of configurations would have to commit one by one if they all updated the same row.
    createRevision: async (db) => {
      await sql`create sequence configuration_revision`.execute(db);
    },
    createTagTriggers: createPostgresTagTriggers,
    createNotificationTrigger: createPostgresNotificationTrigger,
    indexNameParts,
    keepLogsAsTheyCome: async (db) => {
      await sql`alter table log_chunks alter column gzip set storage external`.execute(db);
    },
    nextRevision: async (db) => {
      const { rows } = await sql<{ revision: number }>`
        select nextval('configuration_revision') as revision`.execute(db);
      return rows[0]?.revision ?? 0;
    },
    ...createMigrationTurns(migration, (id) => id === notices.serverProcess()),
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
