import type { Expression, ExpressionBuilder, Transaction } from 'kysely';
import { invalid } from '../../core/errors.js';
import type { HostResult } from '../../core/job.js';
import type { HostSummary } from '../../core/outcome.js';
import type { ComponentDatabase } from '../components/component-views.js';
import type { Connection, Database } from '../database/database.js';
import { HOST_COUNTERS, pickCounters, toHostResult } from './host-rows.js';
import { createHostTotals } from './host-totals.js';
import { recordState } from '../components/host-state.js';
import { toStoredHost } from './host-name.js';
import { requireOpen } from './phase-rows.js';
import type { Page, PageRequest } from '../database/page.js';
import { inParts } from '../database/parts.js';
import { dropNulls, toFlag } from '../database/row-values.js';
import type { HostResultRow, Schema } from '../database/schema.js';
import type { HostChanges, HostCursor, HostResults, HostStore } from '../store.js';

export function createHostStore(database: ComponentDatabase): HostStore {
  return {
    save: (jobId, phase, results) => saveResults(database, jobId, phase, results),
    list: (jobId, page) => listResults(database, jobId, page),
    changes: (jobId, phase, after, limit) => listChanges(database, jobId, phase, after, limit),
    summarize: (jobId, phase) => database.read((db) => summarize(db, jobId, phase)),
    ...createHostTotals(database),
  };
}

function saveResults(
  database: ComponentDatabase,
  jobId: string,
  phase: string,
  results: HostResults,
): Promise<void> {
  return database.write(async (db, emit) => {
    const ended = results.final ? await endResults(db, jobId, phase, results) : undefined;
    const open = ended ?? (await openPhase(db, jobId, phase, results));
    if (open === undefined) return requireOpen(db, jobId, phase);
    if (results.sequence < open.hosts_from) return;
    if (results.rerun !== undefined) await removeEarlier(db, jobId, open);
    const byHost = new Map(results.hosts.map((result) => [toStoredHost(result.host), result]));
    const rows = [...byHost].map(([host, result]) => ({
      job_id: jobId,
      phase,
      position: open.position,
      sequence: results.sequence,
      host,
      ...pickCounters(result),
      incomplete: toFlag(result.incomplete),
      task: result.task ?? null,
      message: result.message ?? null,
    }));
    for (const some of inParts(rows)) await upsert(db, some);
    if (ended !== undefined && results.recordedAt !== undefined) {
      const { position } = open;
      const isIncomplete = results.incompleteState === true;
      const at = results.recordedAt;
      await recordState(db, database, { jobId, phase, position, at, isIncomplete });
    }
    emit({ kind: 'session', jobId });
  });
}

/** Locks the phase before the rows are written, so that a seal comes either before all of this or after it. */
function openPhase(db: Transaction<Schema>, jobId: string, phase: string, results: HostResults) {
  return db
    .updateTable('phases')
    .set((eb) => ({ hosts_final: eb.ref('hosts_final'), ...toRun(eb, results) }))
    .where('job_id', '=', jobId)
    .where('name', '=', phase)
    .where('sealed_at', 'is', null)
    .returning(['position', 'hosts_from'])
    .executeTakeFirst();
}

/** What the phase says about its last run. A report of an earlier run, which comes late, changes nothing. */
function toRun(eb: ExpressionBuilder<Schema, 'phases'>, { rerun }: HostResults) {
  if (rerun === undefined) return {};
  const { count, filesChanged, firstSequence } = rerun;
  const latest = <T extends number>(value: T, column: 'reruns' | 'files_changed' | 'hosts_from') =>
    eb
      .case()
      .when('reruns', '<=', count)
      .then(eb.cast<T>(eb.val(value), 'bigint'))
      .else(eb.ref(column) as Expression<T>)
      .end();
  return {
    reruns: latest(count, 'reruns'),
    files_changed: latest(toFlag(filesChanged), 'files_changed'),
    hosts_from: latest(firstSequence, 'hosts_from'),
  };
}

async function removeEarlier(
  db: Transaction<Schema>,
  jobId: string,
  { position, hosts_from: from }: { readonly position: number; readonly hosts_from: number },
): Promise<void> {
  await db
    .deleteFrom('host_results')
    .where('job_id', '=', jobId)
    .where('position', '=', position)
    .where('sequence', '<', from)
    .execute();
}

/** Like `openPhase`, for final results. Undefined if final results came before. */
function endResults(db: Transaction<Schema>, jobId: string, phase: string, results: HostResults) {
  const { whole = false } = results;
  return db
    .updateTable('phases')
    .set((eb) => ({
      hosts_final: toFlag(true),
      hosts_whole: toFlag(whole),
      hosts_recorded: toFlag(results.recordedAt !== undefined),
      ...toRun(eb, results),
    }))
    .where('job_id', '=', jobId)
    .where('name', '=', phase)
    .where('sealed_at', 'is', null)
    .where('hosts_final', '=', toFlag(false))
    .returning(['position', 'hosts_from'])
    .executeTakeFirst();
}

async function upsert(db: Transaction<Schema>, rows: readonly HostResultRow[]): Promise<void> {
  await db
    .insertInto('host_results')
    .values(rows)
    .onConflict((conflict) =>
      conflict
        .columns(['job_id', 'position', 'host'])
        .doUpdateSet((eb) => ({
          sequence: eb.ref('excluded.sequence'),
          ok: eb.ref('excluded.ok'),
          changed: eb.ref('excluded.changed'),
          failed: eb.ref('excluded.failed'),
          skipped: eb.ref('excluded.skipped'),
          unreachable: eb.ref('excluded.unreachable'),
          incomplete: eb.ref('excluded.incomplete'),
          task: eb.ref('excluded.task'),
          message: eb.ref('excluded.message'),
        }))
        .whereRef('excluded.sequence', '>', 'host_results.sequence'),
    )
    .execute();
}

function listResults(
  { read }: Database,
  jobId: string,
  { limit, afterId, phase }: Parameters<HostStore['list']>[1],
): Promise<Page<HostResult>> {
  return read(async (db) => {
    const after = afterId === undefined ? undefined : await findPlace(db, jobId, afterId);
    let query = db.selectFrom('host_results').selectAll().where('job_id', '=', jobId);
    if (phase !== undefined) {
      query = query.where('position', 'in', selectPosition(db, jobId, phase));
    }
    if (after !== undefined) {
      query = query.where((eb) =>
        eb(eb.refTuple('position', 'host'), '>', eb.tuple(after.position, after.host)),
      );
    }
    const rows = await query
      .orderBy('position')
      .orderBy('host')
      .limit(limit + 1)
      .execute();
    return { items: rows.slice(0, limit).map(toHostResult), hasMore: rows.length > limit };
  });
}

function listChanges(
  { read }: Database,
  jobId: string,
  phase: string,
  { sequence, host }: HostCursor,
  limit: number,
): Promise<HostChanges> {
  return read(async (db) => {
    const rows = await db
      .selectFrom('host_results')
      .selectAll()
      .where('job_id', '=', jobId)
      .where('position', '=', selectPosition(db, jobId, phase))
      .where((eb) =>
        host === undefined
          ? eb('sequence', '>', sequence)
          : eb(eb.refTuple('sequence', 'host'), '>', eb.tuple(sequence, host)),
      )
      .orderBy('sequence')
      .orderBy('host')
      .limit(limit + 1)
      .execute();
    const shown = rows.slice(0, limit);
    const last = shown.at(-1);
    return {
      items: shown.map(toHostResult),
      hasMore: rows.length > limit,
      ...(last === undefined ? {} : { end: { sequence: last.sequence, host: last.host } }),
    };
  });
}

/** Parses `<phase>/<host>`. The host need not exist, but the phase must be one of this job. */
async function findPlace(
  db: Connection,
  jobId: string,
  afterId: NonNullable<PageRequest['afterId']>,
) {
  const slash = afterId.indexOf('/');
  const phase = afterId.slice(0, Math.max(0, slash));
  const row = await selectPosition(db, jobId, phase).executeTakeFirst();
  if (row === undefined)
    throw invalid(`after_id: "${afterId}" does not begin with a phase of this session`);
  return { position: row.position, host: afterId.slice(slash + 1) };
}

function selectPosition(db: Connection, jobId: string, phase: string) {
  return db
    .selectFrom('phases')
    .select('position')
    .where('job_id', '=', jobId)
    .where('name', '=', phase);
}

async function summarize(db: Connection, jobId: string, phase: string): Promise<HostSummary> {
  const ofPhase = db
    .selectFrom('host_results')
    .where('job_id', '=', jobId)
    .where('position', 'in', selectPosition(db, jobId, phase));
  const count = await ofPhase
    .where((eb) => eb.or(HOST_COUNTERS.map((counter) => eb(counter, '>', 0))))
    .select((eb) => [
      eb.fn.countAll().as('hosts'),
      eb.fn.countAll().filterWhere('failed', '>', 0).as('failed'),
      eb.fn.countAll().filterWhere('unreachable', '>', 0).as('unreachable'),
    ])
    .executeTakeFirstOrThrow();
  const findFirst = async (counter: 'failed' | 'unreachable') => {
    if (Number(count[counter]) === 0) return null;
    const row = await ofPhase
      .selectAll()
      .where(counter, '>', 0)
      .orderBy('host')
      .limit(1)
      .executeTakeFirst();
    return row === undefined ? null : toHostResult(row);
  };
  return {
    hosts: Number(count.hosts),
    failedHosts: Number(count.failed),
    unreachableHosts: Number(count.unreachable),
    ...dropNulls({
      firstFailed: await findFirst('failed'),
      firstUnreachable: await findFirst('unreachable'),
    }),
  };
}
