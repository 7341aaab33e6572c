import { sql, type Transaction } from 'kysely';
import type { ComponentPatch, LayerReport } from '../../core/component.js';
import { patchComponent } from '../../core/component-change.js';
import { recordCauses } from './batch-causes.js';
import { freeMembers, listMembers } from './batch-members.js';
import { NO_REPORTS, readReports, type SessionReports } from './batch-reports.js';
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
  const waiting = telling
    .map((batch) => {
      const own = batch.members.map((id) => byId.get(id)).filter((view) => view !== undefined);
      return { ...batch, own, open: own.filter((view) => isWaiting(batch, view)) };
    })
    .filter(({ open }) => open.length > 0);
  const jobIds = waiting.map(({ row }) => row.job_id).filter((jobId) => jobId !== null);
  const reports = await readReports(db, database.dialect, jobIds);
  const changed = waiting.flatMap((batch) =>
    listPatches(batch, reports.get(batch.row.job_id ?? '') ?? NO_REPORTS).map(
      ({ view: { component }, patch }) => ({
        before: component,
        after: patchComponent(component, patch, at),
      }),
    ),
  );
  await saveChanged(db, database, changed);
}

function tellsOfMembers({ result }: EndedBatch): boolean {
  return (
    result.kind === 'success' || (result.kind === 'failure' && result.cause === 'configuration')
  );
}

function isWaiting({ row }: Ended, view: ComponentView): boolean {
  return view.status === 'pending' && describeDesired(view) === row.desired;
}

interface Waiting extends Ended {
  readonly own: readonly ComponentView[];
  /** Those that still wait for what the session was sent for. */
  readonly open: readonly ComponentView[];
}

function listPatches(batch: Waiting, reports: SessionReports) {
  const { row, end, members, own, open } = batch;
  const sessionName = row.session_name ?? '';
  const isUnexplained =
    end.result.kind === 'failure' &&
    !saysNothingOfNodes(end, reports) &&
    !members.some((id) => reports.failed.has(id)) &&
    !own.some((view) => hasFailed(view, sessionName));
  const sent = new Set(row.layers.split(',').map(Number));
  return open.flatMap((view) => {
    const { id } = view.component;
    const waiting = view.desiredState
      .map((layer, index) => ({ ...layer, index }))
      .filter(({ status, index }) => status === 'pending' && sent.has(index));
    const isMissing = reports.missing.has(id);
    const skipped = waiting.filter(({ index }) => !isMissing && hadNoPlay(reports, index, id));
    const rest = waiting.filter((layer) => !skipped.includes(layer));
    const failed = isMissing || isUnexplained ? rest.slice(0, 1) : [];
    const patch = toPatch(skipped, failed, sessionName);
    return patch === undefined ? [] : [{ view, patch }];
  });
}

/**
 * Whether Ansible could not use the inventory, a git server was away, or the session came to no clone: a branch could not be
 * looked up, mostly that of the site's additional inventory, or the credentials of a source could not be read.
 */
function saysNothingOfNodes({ reason }: EndedBatch, { isCloneRefused }: SessionReports): boolean {
  return reason === 'INVENTORY' || (reason === 'GIT_CLONE' && !isCloneRefused);
}

/**
 * Whether no play of the layer was for this component. If there is a result and the layer still waits, somebody has emptied
 * the state meanwhile, as a node does that boots, or the result does not count. If results are lost, nobody knows.
 */
function hadNoPlay({ layers }: SessionReports, layer: number, id: string): boolean {
  return layers.get(layer)?.has(id) === false;
}

function hasFailed({ component }: ComponentView, session: string): boolean {
  return component.state.some(
    ({ sessionName, status }) => sessionName === session && status === 'failed',
  );
}

type PendingLayers = ComponentView['desiredState'];

function toPatch(
  skipped: PendingLayers,
  failed: PendingLayers,
  sessionName: string,
): ComponentPatch | undefined {
  const stateAppend = [
    ...skipped.map((layer) => toReport(layer, sessionName, 'skipped')),
    ...failed.map((layer) => toReport(layer, sessionName, 'failed')),
  ];
  if (stateAppend.length === 0) return undefined;
  return { stateAppend, ...(failed.length > 0 ? { addErrors: 1 } : {}) };
}

function toReport(
  { cloneUrl = '', playbook = '', commit = '' }: PendingLayers[number],
  sessionName: string,
  status: LayerReport['status'],
): LayerReport {
  return { cloneUrl, playbook, commit, sessionName, status };
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
