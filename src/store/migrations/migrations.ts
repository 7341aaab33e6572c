import { randomBytes } from 'node:crypto';
import { type CreateTableBuilder, type Kysely, type RawBuilder, sql } from 'kysely';
import type { Migration } from 'kysely/migration';
import type { StoreDialect } from '../database/dialect.js';
import { addAdmission, addHostLocks } from './migration-admission.js';
import {
  createComponents,
  indexComponentTags,
  indexTagBeginnings,
} from './migration-components.js';
import { createBatches } from './migration-batches.js';
import { addNotifications } from './migration-notifications.js';
import { addReruns } from './migration-reruns.js';
import { addSilence } from './migration-silence.js';
import { createSources } from './migration-sources.js';
import { addSweep } from './migration-sweep.js';
import { addTagColumns } from './migration-tags.js';
import { createRetention } from './migration-retention.js';
import { AT_ONCE } from '../sessions/session-conditions.js';

type Step = (db: Kysely<unknown>, dialect: StoreDialect) => Promise<void>;

/**
 * Never change a released migration: add another. A migration only adds, and with defaults, so that the previous version
 * works on while this one migrates, and again after a rollback to it.
 */
export function createMigrations(dialect: StoreDialect): Record<string, Migration> {
  const step = (change: Step): Migration => ({
    up: (db) => change(db as Kysely<unknown>, dialect),
  });
  return {
    '001-sessions': step(createInitial),
    '002-patched': step(addPatched),
    '003-retention': step(createRetention),
    '004-sweep': step(addSweep),
    '005-admission': step(addAdmission),
    '006-host-changes': step(indexHostChanges),
    '008-components': step(createComponents),
    '010-batches': step(createBatches),
    '011-sources': step(createSources),
    '013-component-tags': step(indexComponentTags),
    '014-session-tags': step(addTagColumns),
    '015-tag-beginnings': step(indexTagBeginnings),
    '017-waiting': step(addWaiting),
    '020-reported-result': step(addReportedResult),
    '022-name-parts': step(async (db) => dialect.indexNameParts?.(db)),
    '023-log-storage': step(async (db) => dialect.keepLogsAsTheyCome?.(db)),
    '024-host-locks': step(addHostLocks),
    '025-key-digest': step(addKeyDigest),
    '026-retries': step(addRetries),
    '027-notifications': step(addNotifications),
    '028-silence': step(addSilence),
    '029-reruns': step(addReruns),
    '030-recorded': step(addRecorded),
    '031-known-end': step(addKnownEnd),
  };
}

async function createInitial(db: Kysely<unknown>, dialect: StoreDialect): Promise<void> {
  await createDeployment(db, dialect);
  await dialect.createRevision(db);
  await createSessions(db, dialect);
  await createSessionIndexes(db);
  await createTags(db, dialect);
  await createDocuments(db, dialect);
  await createPhases(db, dialect);
  await createHostResults(db, dialect);
  await createLogChunks(db, dialect);
}

async function createDeployment(db: Kysely<unknown>, { types }: StoreDialect): Promise<void> {
  await db.schema
    .createTable('deployment')
    .addColumn('id', 'integer', (column) => column.primaryKey())
    .addColumn('deployment_id', types.text, (column) => column.notNull())
    .addColumn('revision', 'integer', (column) => column.notNull())
    .execute();
  const id = randomBytes(4).toString('hex');
  await sql`insert into deployment (id, deployment_id, revision) values (1, ${id}, 0)`.execute(db);
}

async function createSessions(db: Kysely<unknown>, { types }: StoreDialect): Promise<void> {
  const text = types.text;
  await db.schema
    .createTable('sessions')
    .addColumn('job_id', text, (column) => column.primaryKey().notNull())
    .addColumn('name', text, (column) => column.notNull())
    .addColumn('created_at', text, (column) => column.notNull())
    .addColumn('desired', text, (column) => column.notNull().defaultTo('run'))
    .addColumn('cancel_by', text)
    .addColumn('cancel_reason', text)
    .addColumn('deleted_at', text)
    .addColumn('dispatched', text, (column) => column.notNull().defaultTo('none'))
    .addColumn('wish_at', text, (column) => column.notNull().defaultTo(AT_ONCE))
    .addColumn('attach_only', 'integer', (column) => column.notNull().defaultTo(0))
    .addColumn('state', text, (column) => column.notNull().defaultTo('pending'))
    .addColumn('claimed_at', text)
    .addColumn('machine', text)
    .addColumn('launched_at', text)
    .addColumn('incarnation', text)
    .addColumn('stopped_at', text)
    .addColumn('teardown_at', text)
    .addColumn('succeeded', text, (column) => column.notNull().defaultTo('none'))
    .addColumn('reason', text)
    .addColumn('message', text)
    .addColumn('outcome_phase', text)
    .addColumn('host', text)
    .addColumn('task', text)
    .addColumn('completed_at', text)
    .addColumn('phase', text)
    .addColumn('ims_job', text)
    .addColumn('artifacts', text, (column) => column.notNull().defaultTo('[]'))
    .addColumn('request', text, (column) => column.notNull())
    .addColumn('snapshot', text)
    .execute();
}

/**
 * Lists are in order of names. The unique index is over an expression, so that no list uses it: the other indexes have all
 * columns that filters compare, so rows are read only if all filters match.
 */
async function createSessionIndexes(db: Kysely<unknown>): Promise<void> {
  const live = sql<boolean>`deleted_at is null`;
  await db.schema
    .createIndex('sessions_unique_name')
    .on('sessions')
    .unique()
    .column(sql`(name || '')`)
    .where(live)
    .execute();
  const indexes = {
    sessions_by_name: ['name', 'created_at', 'state', 'succeeded'],
    sessions_by_state: ['state', 'name', 'created_at', 'succeeded'],
    sessions_by_succeeded: ['succeeded', 'name', 'created_at', 'state'],
    sessions_by_creation: ['created_at', 'job_id'],
  };
  for (const [name, columns] of Object.entries(indexes)) {
    await db.schema.createIndex(name).on('sessions').columns(columns).where(live).execute();
  }
  await db.schema
    .createIndex('sessions_by_wish')
    .on('sessions')
    .columns(['wish_at', 'created_at'])
    .where(
      sql<boolean>`state <> 'complete' and ((desired = 'run' and dispatched = 'none') or (desired <> 'run' and dispatched <> 'cancelled'))`,
    )
    .execute();
}

async function createTags(db: Kysely<unknown>, { types }: StoreDialect): Promise<void> {
  await db.schema
    .createTable('session_tags')
    .$call((table) => addJobId(table, types.text))
    .addColumn('key', types.text, (column) => column.notNull())
    .addColumn('value', types.text, (column) => column.notNull())
    .addPrimaryKeyConstraint('session_tags_key', ['job_id', 'key'])
    .execute();
  await db.schema
    .createIndex('session_tags_by_value')
    .on('session_tags')
    .columns(['key', 'value', 'job_id'])
    .execute();
}

async function createDocuments(db: Kysely<unknown>, { types }: StoreDialect): Promise<void> {
  const text = types.text;
  await db.schema
    .createTable('resources')
    .$call((table) => addJobId(table, text))
    .addColumn('kind', text, (column) => column.notNull())
    .addColumn('key', text, (column) => column.notNull())
    .addColumn('position', 'integer', (column) => column.notNull())
    .addPrimaryKeyConstraint('resources_key', ['job_id', 'kind', 'key'])
    .execute();
  await db.schema
    .createTable('staged_files')
    .$call((table) => addJobId(table, text))
    .addColumn('name', text, (column) => column.notNull())
    .addColumn('gzip', types.bytes, (column) => column.notNull())
    .addPrimaryKeyConstraint('staged_files_key', ['job_id', 'name'])
    .execute();
  await db.schema
    .createTable('configurations')
    .addColumn('name', text, (column) => column.primaryKey().notNull())
    .addColumn('version', 'bigint', (column) => column.notNull())
    .addColumn('document', text, (column) => column.notNull())
    .execute();
  await db.schema
    .createTable('options')
    .addColumn('name', text, (column) => column.primaryKey().notNull())
    .addColumn('value', text, (column) => column.notNull())
    .execute();
}

async function createPhases(db: Kysely<unknown>, { types }: StoreDialect): Promise<void> {
  const text = types.text;
  await db.schema
    .createTable('phases')
    .$call((table) => addJobId(table, text))
    .addColumn('name', text, (column) => column.notNull())
    .addColumn('kind', text, (column) => column.notNull())
    .addColumn('title', text, (column) => column.notNull())
    .addColumn('position', 'integer', (column) => column.notNull())
    .addColumn('state', text, (column) => column.notNull().defaultTo('pending'))
    .addColumn('result', text)
    .addColumn('started_at', text)
    .addColumn('ended_at', text)
    .addColumn('log_bytes', 'bigint', (column) => column.notNull().defaultTo(0))
    .addColumn('reported_log_bytes', 'bigint')
    .addColumn('hosts_final', 'integer', (column) => column.notNull().defaultTo(0))
    .addColumn('sealed_at', text)
    .addColumn('hold_since', text)
    .addColumn('hold_until', text)
    .addColumn('hold_command', text)
    .addColumn('hold_released_at', text)
    .addPrimaryKeyConstraint('phases_key', ['job_id', 'name'])
    .addUniqueConstraint('phases_position', ['job_id', 'position'])
    .execute();
}

async function createHostResults(db: Kysely<unknown>, { types }: StoreDialect): Promise<void> {
  const text = types.text;
  await db.schema
    .createTable('host_results')
    .$call((table) => addJobId(table, text))
    .addColumn('position', 'integer', (column) => column.notNull())
    .addColumn('host', text, (column) => column.notNull())
    .addColumn('phase', text, (column) => column.notNull())
    .addColumn('sequence', 'bigint', (column) => column.notNull())
    .addColumn('ok', 'bigint', (column) => column.notNull())
    .addColumn('changed', 'bigint', (column) => column.notNull())
    .addColumn('failed', 'bigint', (column) => column.notNull())
    .addColumn('skipped', 'bigint', (column) => column.notNull())
    .addColumn('unreachable', 'bigint', (column) => column.notNull())
    .addColumn('incomplete', 'integer', (column) => column.notNull())
    .addColumn('task', text)
    .addColumn('message', text)
    .addPrimaryKeyConstraint('host_results_key', ['job_id', 'position', 'host'])
    .execute();
}

async function createLogChunks(db: Kysely<unknown>, { types }: StoreDialect): Promise<void> {
  const text = types.text;
  await db.schema
    .createTable('log_chunks')
    .$call((table) => addJobId(table, text))
    .addColumn('phase', text, (column) => column.notNull())
    .addColumn('end_offset', 'bigint', (column) => column.notNull())
    .addColumn('size', 'integer', (column) => column.notNull())
    .addColumn('gap', text)
    .addColumn('gzip', types.bytes, (column) => column.notNull())
    .addPrimaryKeyConstraint('log_chunks_key', ['job_id', 'phase', 'end_offset'])
    .execute();
}

function addJobId(table: CreateTableBuilder<string>, text: RawBuilder<unknown>) {
  return table.addColumn('job_id', text, (column) =>
    column.notNull().references('sessions.job_id').onDelete('cascade'),
  );
}

/** Serves those who follow the results of a phase. */
async function indexHostChanges(db: Kysely<unknown>): Promise<void> {
  await db.schema
    .createIndex('host_results_sequence')
    .on('host_results')
    .columns(['job_id', 'position', 'sequence', 'host'])
    .execute();
}

async function addPatched(db: Kysely<unknown>, { types }: StoreDialect): Promise<void> {
  await db.schema
    .alterTable('sessions')
    .addColumn('external', 'integer', (column) => column.notNull().defaultTo(0))
    .execute();
  await db.schema.alterTable('sessions').addColumn('patched', types.text).execute();
}

async function addWaiting(db: Kysely<unknown>, { types }: StoreDialect): Promise<void> {
  await db.schema.alterTable('sessions').addColumn('waiting', types.text).execute();
}

async function addReportedResult(db: Kysely<unknown>, { types }: StoreDialect): Promise<void> {
  await db.schema.alterTable('phases').addColumn('reported_result', types.text).execute();
}

/** What a retry leaves out, and whether the results of a phase can tell. */
async function addRetries(db: Kysely<unknown>, { types }: StoreDialect): Promise<void> {
  await db.schema.alterTable('sessions').addColumn('done', types.text).execute();
  await db.schema.alterTable('phases').addColumn('hosts_whole', 'integer').execute();
}

async function addRecorded(db: Kysely<unknown>): Promise<void> {
  await db.schema.alterTable('phases').addColumn('hosts_recorded', 'integer').execute();
}

async function addKnownEnd(db: Kysely<unknown>, { types }: StoreDialect): Promise<void> {
  await db.schema.alterTable('sessions').addColumn('known_end', types.text).execute();
}

async function addKeyDigest(db: Kysely<unknown>, { types }: StoreDialect): Promise<void> {
  await db.schema.alterTable('deployment').addColumn('key_digest', types.text).execute();
}
