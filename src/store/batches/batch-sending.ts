import { sql, type Transaction } from 'kysely';
import { fitIntoSession, isOfBatch, toCommonTags } from '../../core/batch.js';
import { toBatchSession, toJobId } from '../../core/names.js';
import { freeMembers, listMembers } from './batch-members.js';
import { lockBatches, toBatch, type BatchRow } from './batch-rows.js';
import type { BatchStore, Sending } from './batch-store.js';
import { lockViews, type ComponentDatabase } from '../components/component-views.js';
import { selectOption, toOption } from '../options.js';
import type { Schema } from '../database/schema.js';
import { addSessions } from '../sessions/session-insert.js';
import type { ComponentView, NewSession } from '../store.js';

interface Gathered {
  readonly row: BatchRow;
  readonly members: readonly string[];
  /** Members that were not deleted or disabled meanwhile, and still want the same; at most as many as fit. */
  readonly kept: readonly ComponentView[];
}

interface Planned extends Gathered {
  readonly session: NewSession;
}

export function sendBatches(
  database: ComponentDatabase,
  ids: readonly string[],
  { at, batchSize }: Parameters<BatchStore['send']>[1],
): Promise<Sending> {
  return database.write(async (db, emit) => {
    const gathered = await gather(db, database, ids, batchSize);
    const planned = await planSessions(db, gathered, at);
    const sessions = planned.map(({ session }) => session);
    const added = await addSessions(database, db, emit, sessions);
    const sent = planned.filter((_, index) => added[index] !== undefined);
    const refused = planned.filter((_, index) => added[index] === undefined);
    await freeOthers(db, database, gathered, sent);
    await removeEmpty(db, database, gathered);
    await recordSent(db, database, sent, at);
    await giveUp(db, database, refused, at);
    return {
      sent: new Map(
        sent.map((one) => [one.row.id, { session: toName(one), size: one.kept.length }]),
      ),
      refused: new Map(refused.map((one) => [one.row.id, toName(one)])),
    };
  });
}

/** The desired layers of a component without their status: equal text for components that want the same. */
export function describeDesired({ desiredState }: ComponentView): string {
  return JSON.stringify(
    desiredState.map(({ cloneUrl, playbook, commit }) => ({ cloneUrl, playbook, commit })),
  );
}

async function gather(
  db: Transaction<Schema>,
  database: ComponentDatabase,
  ids: readonly string[],
  batchSize: number,
): Promise<readonly Gathered[]> {
  const rows = await lockBatches(db, database.dialect, 'open', ids);
  const openIds = rows.map(({ id }) => id);
  const members = await listMembers(db, database.dialect, openIds);
  const views = await lockViews(db, database, [...members.values()].flat());
  const byId = new Map(views.map((view) => [view.component.id, view]));
  return rows.map((row) => {
    const batch = toBatch(row);
    const own = members.get(row.id) ?? [];
    const found = own.map((id) => byId.get(id)).filter((view) => view !== undefined);
    const wanted = found.filter((view) => isOfBatch(view, batch));
    return { row, members: own, kept: fitIntoSession(wanted, batchSize) };
  });
}

async function planSessions(
  db: Transaction<Schema>,
  gathered: readonly Gathered[],
  at: string,
): Promise<readonly Planned[]> {
  const { deployment_id: deploymentId, config } = await db
    .selectFrom('deployment')
    .select(['deployment_id', selectOption(db, 'defaultAnsibleConfig').as('config')])
    .executeTakeFirstOrThrow();
  const ansibleConfig = toOption('defaultAnsibleConfig', config);
  return gathered
    .filter(({ kept }) => kept.length > 0)
    .map((batch) => {
      const name = toBatchSession(deploymentId, batch.row.id);
      const request = { ...toRequest(batch, name), ansibleConfig };
      const session = { jobId: toJobId(name, batch.row.id.slice(0, 8)), createdAt: at, request };
      return { ...batch, session };
    });
}

function toRequest({ row: { configuration, layers }, kept }: Gathered, name: string) {
  return {
    name,
    configurationName: configuration,
    configurationLimit: layers,
    ansibleLimit: kept.map(({ component }) => component.id).join(','),
    limitNamesHosts: true as const,
    ansibleVerbosity: 0,
    ansiblePassthrough: '',
    target: { definition: 'dynamic' as const },
    tags: toCommonTags(kept.map(({ component }) => component.tags ?? {})),
    debugOnFailure: false,
  };
}

async function freeOthers(
  db: Transaction<Schema>,
  { dialect }: ComponentDatabase,
  gathered: readonly Gathered[],
  sent: readonly Gathered[],
): Promise<void> {
  const stay = new Set(sent.flatMap(({ kept }) => kept.map(({ component }) => component.id)));
  const all = gathered.flatMap(({ members }) => members);
  await freeMembers(
    db,
    dialect,
    all.filter((id) => !stay.has(id)),
  );
}

async function removeEmpty(
  db: Transaction<Schema>,
  { dialect }: ComponentDatabase,
  gathered: readonly Gathered[],
): Promise<void> {
  const empty = gathered.filter(({ kept }) => kept.length === 0).map(({ row }) => row.id);
  if (empty.length === 0) return;
  const ids = dialect.textsOf(JSON.stringify(empty));
  await db.deleteFrom('batches').where('id', 'in', ids).execute();
}

async function recordSent(
  db: Transaction<Schema>,
  { dialect }: ComponentDatabase,
  sent: readonly Planned[],
  at: string,
): Promise<void> {
  if (sent.length === 0) return;
  const rows = sent.map(({ row, kept, session }) => ({
    ...{ id: row.id, size: kept.length, job_id: session.jobId, session_name: session.request.name },
    desired: kept.slice(0, 1).map(describeDesired).join(),
  }));
  const texts = { id: 'text', job_id: 'text', session_name: 'text', desired: 'text' } as const;
  await sql`update batches set state = 'sent', sent_at = ${at}, size = given.size,
      job_id = given.job_id, session_name = given.session_name, desired = given.desired
    from ${dialect.rowsOf(JSON.stringify(rows), { ...texts, size: 'bigint' })}
    where batches.id = given.id`.execute(db);
}

/** The name is taken, which is nobody's failure: the components come into another batch, whose session has another name. */
async function giveUp(
  db: Transaction<Schema>,
  { dialect }: ComponentDatabase,
  refused: readonly Planned[],
  at: string,
): Promise<void> {
  if (refused.length === 0) return;
  const ids = dialect.textsOf(JSON.stringify(refused.map(({ row }) => row.id)));
  await db
    .updateTable('batches')
    .set({ state: 'finished', finished_at: at, result: 'released' })
    .where('id', 'in', ids)
    .execute();
}

function toName({ session }: Planned): string {
  return session.request.name;
}
