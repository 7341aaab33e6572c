import { sql, type Transaction } from 'kysely';
import type { ComponentPatch, LayerReport } from '../../core/component.js';
import { patchComponent } from '../../core/component-change.js';
import { recordCauses } from './batch-causes.js';
import { freeMembers, listMembers } from './batch-members.js';
import { lockBatches, type BatchRow } from './batch-rows.js';
import { describeDesired } from './batch-sending.js';
import type { BatchStore, EndedBatch } from './batch-store.js';
import { lockViews, saveChanged, type ComponentDatabase } from '../components/component-views.js';
import type { StoreDialect } from '../database/dialect.js';
import type { Schema } from '../database/schema.js';
import type { ComponentView } from '../store.js';

type Limits = Parameters<BatchStore['finish']>[1];

interface Ended {
  readonly row: BatchRow;
  readonly end: EndedBatch;
  readonly members: readonly string[];
}

export function finishBatches(
  database: ComponentDatabase,
  ends: readonly EndedBatch[],
  limits: Limits,
): Promise<readonly string[]> {
  return database.write(async (db) => {
    const ended = await gather(db, database, ends);
    const ids = ended.map(({ row }) => row.id);
    if (ids.length === 0) return [];
    await recordMembers(db, database, ended, limits.now);
    await freeMembers(
      db,
      database.dialect,
      ended.flatMap(({ members }) => members),
    );
    await recordEnds(db, database.dialect, ended, limits.now);
    const results = ended.map(({ row: { configuration }, end: { result } }) => ({
      ...{ configuration, result },
    }));
    await recordCauses(db, database.dialect, results, limits);
    return ids;
  });
}

/** Locks the batches that nobody else has ended, in the given order. */
async function gather(
  db: Transaction<Schema>,
  { dialect }: ComponentDatabase,
  ends: readonly EndedBatch[],
): Promise<readonly Ended[]> {
  const ids = ends.map(({ id }) => id);
  const rows = await lockBatches(db, dialect, 'sent', ids);
  const members = await listMembers(
    db,
    dialect,
    rows.map(({ id }) => id),
  );
  const byId = new Map(rows.map((row) => [row.id, row]));
  return ends.flatMap((end) => {
    const row = byId.get(end.id);
    return row === undefined ? [] : [{ row, end, members: members.get(row.id) ?? [] }];
  });
}

/** Records what Ansible did not report, on components that still want what the session was sent for. */
async function recordMembers(
  db: Transaction<Schema>,
  database: ComponentDatabase,
  ended: readonly Ended[],
  at: string,
): Promise<void> {
  const telling = ended.filter(({ end }) => tellsOfMembers(end));
  const ids = telling.flatMap(({ members }) => members);
  const views = await lockViews(db, database, ids);
  const byId = new Map(views.map((view) => [view.component.id, view]));
  const changed = telling.flatMap((batch) => {
    const own = batch.members.map((id) => byId.get(id)).filter((view) => view !== undefined);
    return listPatches(batch, own).map(({ view: { component }, patch }) => ({
      before: component,
      after: patchComponent(component, patch, at),
    }));
  });
  await saveChanged(db, database, changed);
}

function tellsOfMembers({ result }: EndedBatch): boolean {
  return (
    result.kind === 'success' || (result.kind === 'failure' && result.cause === 'configuration')
  );
}

function listPatches({ row, end }: Ended, views: readonly ComponentView[]) {
  const sessionName = row.session_name ?? '';
  const isSuccess = end.result.kind === 'success';
  if (!isSuccess && views.some((view) => hasFailed(view, sessionName))) return [];
  const toPatch = isSuccess ? toSkipped : toFailed;
  return views
    .filter((view) => view.status === 'pending' && describeDesired(view) === row.desired)
    .map((view) => ({ view, patch: toPatch(view, sessionName) }));
}

function hasFailed({ component }: ComponentView, session: string): boolean {
  return component.state.some(
    ({ sessionName, status }) => sessionName === session && status === 'failed',
  );
}

/** After a success, a layer still pending had no play for this component, so nothing is left to do. */
function toSkipped(view: ComponentView, sessionName: string): ComponentPatch {
  return { stateAppend: reportPending(view, sessionName, 'skipped') };
}

function toFailed(view: ComponentView, sessionName: string): ComponentPatch {
  return { stateAppend: reportPending(view, sessionName, 'failed').slice(0, 1), addErrors: 1 };
}

function reportPending(
  { desiredState }: ComponentView,
  sessionName: string,
  status: LayerReport['status'],
): readonly LayerReport[] {
  return desiredState
    .filter((layer) => layer.status === 'pending')
    .map(({ cloneUrl = '', playbook = '', commit = '' }) => ({
      ...{ cloneUrl, playbook, commit, sessionName, status },
    }));
}

async function recordEnds(
  db: Transaction<Schema>,
  dialect: StoreDialect,
  ended: readonly Ended[],
  at: string,
): Promise<void> {
  const rows = ended.map(({ end: { id, result, reason } }) => ({
    ...{ id, result: result.kind, reason },
  }));
  const texts = { id: 'text', result: 'text', reason: 'text' } as const;
  await sql`update batches set state = 'finished', finished_at = ${at}, result = given.result,
      reason = given.reason
    from ${dialect.rowsOf(JSON.stringify(rows), texts)} where batches.id = given.id`.execute(db);
}
