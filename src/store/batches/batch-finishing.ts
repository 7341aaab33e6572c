import type { Transaction } from 'kysely';
import {
  noteResult,
  PLATFORM,
  toConfigurationCause,
  type BatchResult,
} from '../../core/backoff-cause.js';
import { patchComponent, type ComponentPatch, type LayerReport } from '../../core/component.js';
import type { BatchStore } from './batch-store.js';
import { toCause, type BatchRow, type CauseRow } from './batch-rows.js';
import { describeDesired } from './batch-sending.js';
import { lockViews, saveChanged, type ComponentDatabase } from '../components/component-views.js';
import type { Schema } from '../database/schema.js';
import type { ComponentView } from '../store.js';

type Finish = Parameters<BatchStore['finish']>;
type Limits = Finish[2];

export function finishBatch(
  database: ComponentDatabase,
  id: string,
  { result, reason }: Finish[1],
  limits: Limits,
): Promise<boolean> {
  return database.write(async (db) => {
    const row = await db
      .updateTable('batches')
      .set({
        ...{ state: 'finished', finished_at: limits.now, result: result.kind },
        reason: reason ?? null,
      })
      .where('id', '=', id)
      .where('state', '=', 'sent')
      .returningAll()
      .executeTakeFirst();
    if (row === undefined) return false;
    const members = await db
      .deleteFrom('batch_members')
      .where('batch_id', '=', id)
      .returning('component_id')
      .execute();
    const ids = members.map(({ component_id: componentId }) => componentId);
    await recordMembers(db, database, row, { ids, result, at: limits.now });
    await recordCauses(db, row.configuration, result, limits);
    return true;
  });
}

/** Only of components that want what the session was sent for, and only what Ansible has not told of them. */
async function recordMembers(
  db: Transaction<Schema>,
  database: ComponentDatabase,
  { session_name: name, desired }: BatchRow,
  { ids, result, at }: { ids: readonly string[]; result: BatchResult; at: string },
): Promise<void> {
  const sessionName = name ?? '';
  if (result.kind === 'released' || (result.kind === 'failure' && result.cause === 'platform'))
    return;
  const views = await lockViews(db, database, ids);
  if (result.kind === 'failure' && views.some((view) => hasFailed(view, sessionName))) return;
  const toPatch = result.kind === 'success' ? toSkipped : toFailed;
  const changed = views
    .filter((view) => view.status === 'pending' && describeDesired(view) === desired)
    .map((view) => ({
      before: view.component,
      after: patchComponent(view.component, toPatch(view, sessionName), at),
    }));
  await saveChanged(db, database, changed);
}

function hasFailed({ component }: ComponentView, session: string): boolean {
  return component.state.some(
    ({ sessionName, status }) => sessionName === session && status === 'failed',
  );
}

/** No play was for it: nothing is left to do. */
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

async function recordCauses(
  db: Transaction<Schema>,
  configuration: string,
  result: BatchResult,
  { now, maxSeconds }: Limits,
): Promise<void> {
  if (result.kind === 'released') return;
  const own = toConfigurationCause(configuration);
  if (result.kind === 'success') {
    await db.deleteFrom('batch_causes').where('cause', 'in', [own, PLATFORM]).execute();
    return;
  }
  const cause = result.cause === 'platform' ? PLATFORM : own;
  const before = toCause(await lockCause(db, cause));
  const { results, seconds, until } = noteResult(before, false, { now, maxSeconds });
  await db
    .updateTable('batch_causes')
    .set({ results: JSON.stringify(results), seconds, until: until ?? null })
    .where('cause', '=', cause)
    .execute();
}

/** Before the look, so that of two batches that end at the same time the second counts on from the first. */
function lockCause(db: Transaction<Schema>, cause: string): Promise<CauseRow> {
  return db
    .insertInto('batch_causes')
    .values({ cause, results: '[]', seconds: 0, until: null })
    .onConflict((conflict) => conflict.column('cause').doUpdateSet({ cause }))
    .returningAll()
    .executeTakeFirstOrThrow();
}
