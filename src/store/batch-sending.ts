import type { Transaction } from 'kysely';
import { isOfBatch, toCommonTags } from '../core/batch.js';
import { toBatchSession, toJobId } from '../core/names.js';
import { toBatch, type BatchRow } from './batch-rows.js';
import { lockViews, type ComponentDatabase } from './component-views.js';
import type { Schema } from './schema.js';
import { addSession } from './session-insert.js';
import type { ComponentView } from './store.js';
import { selectOption, toOption } from './options.js';

/** The session's name; undefined: it was sent already, or nothing is left of it. */
export function sendBatch(
  database: ComponentDatabase,
  id: string,
  at: string,
): Promise<string | undefined> {
  return database.write(async (db, emit) => {
    const row = await lockOpen(db, database, id);
    if (row === undefined) return undefined;
    const batch = toBatch(row);
    const ids = await listMembers(db, id);
    const views = await lockViews(db, database, ids);
    const kept = views.filter((view) => isOfBatch(view, batch));
    await dropMembers(db, database, id, ids, kept);
    const [first] = kept;
    if (first === undefined) {
      await db.deleteFrom('batches').where('id', '=', id).execute();
      return undefined;
    }
    const session = await toSession(db, row, kept, at);
    await addSession(db, emit, session);
    await db
      .updateTable('batches')
      .set({
        ...{ state: 'sent', sent_at: at, size: kept.length, job_id: session.jobId },
        session_name: session.request.name,
        desired: describeDesired(first),
      })
      .where('id', '=', id)
      .execute();
    return session.request.name;
  });
}

/** The layers, without how far a component is: the same text for all that want the same. */
export function describeDesired({ desiredState }: ComponentView): string {
  return JSON.stringify(
    desiredState.map(({ cloneUrl, playbook, commit }) => ({ cloneUrl, playbook, commit })),
  );
}

async function lockOpen(
  db: Transaction<Schema>,
  { dialect }: ComponentDatabase,
  id: string,
): Promise<BatchRow | undefined> {
  let query = db.selectFrom('batches').selectAll().where('id', '=', id).where('state', '=', 'open');
  if (!dialect.hasOneWriter) query = query.forUpdate();
  return query.executeTakeFirst();
}

async function listMembers(db: Transaction<Schema>, id: string): Promise<readonly string[]> {
  const query = db.selectFrom('batch_members').select('component_id').where('batch_id', '=', id);
  return (await query.orderBy('component_id').execute()).map((row) => row.component_id);
}

/** Deleted, disabled, or wanting something else by now: they are free for another batch. */
async function dropMembers(
  db: Transaction<Schema>,
  { dialect }: ComponentDatabase,
  id: string,
  ids: readonly string[],
  kept: readonly ComponentView[],
): Promise<void> {
  const stay = new Set(kept.map(({ component }) => component.id));
  const gone = ids.filter((member) => !stay.has(member));
  if (gone.length === 0) return;
  await db
    .deleteFrom('batch_members')
    .where('batch_id', '=', id)
    .where('component_id', 'in', dialect.textsOf(JSON.stringify(gone)))
    .execute();
}

async function toSession(
  db: Transaction<Schema>,
  { id, configuration, layers }: BatchRow,
  members: readonly ComponentView[],
  at: string,
) {
  const { deployment_id: deploymentId, config } = await db
    .selectFrom('deployment')
    .select(['deployment_id', selectOption(db, 'defaultAnsibleConfig').as('config')])
    .executeTakeFirstOrThrow();
  const name = toBatchSession(deploymentId, id);
  return {
    jobId: toJobId(name, id.slice(0, 8)),
    createdAt: at,
    request: {
      name,
      configurationName: configuration,
      configurationLimit: layers,
      ansibleLimit: members.map(({ component }) => component.id).join(','),
      ansibleConfig: toOption('defaultAnsibleConfig', config),
      ansibleVerbosity: 0,
      ansiblePassthrough: '',
      target: { definition: 'dynamic' as const },
      tags: toCommonTags(members.map(({ component }) => component.tags ?? {})),
      debugOnFailure: false,
    },
  };
}
