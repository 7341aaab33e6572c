import { decideEnd, isHeldUp, type Batch, type BatcherStatus } from '../core/batch.js';
import { isServiceError } from '../core/errors.js';
import type { Options } from '../core/options.js';
import type { EndedBatch, SentBatch } from '../store/batches/batch-store.js';
import type { Store } from '../store/store.js';
import type { BatchDependencies } from './batch-dependencies.js';
import { actInGroups, actOneByOne, PAGE } from './batch-groups.js';

type Limits = Parameters<Store['batches']['finish']>[1];

type CycleOptions = Options &
  Pick<Required<BatcherStatus>, 'steadySince'> & {
    /** When the cycle began. A clock that is set later makes no session overdue. */
    readonly at: string;
  };

interface Ended extends EndedBatch, Pick<Batch, 'size'> {
  readonly session: string;
}

export interface Finishing {
  /** How many batches ended. */
  readonly finished: number;
  /** Whether a session cannot begin because something is away. */
  readonly isHeldUp: boolean;
}

/** Finishes the batches whose session has ended, and deletes sessions that are pending for too long. */
export async function finishBatches(
  deps: BatchDependencies,
  options: CycleOptions,
  signal: AbortSignal,
): Promise<Finishing> {
  const all = { finished: 0, isHeldUp: false };
  for (let afterId: string | undefined; ;) {
    const page = await deps.store.batches.listSent(PAGE, afterId);
    const { ended, overdue } = judge(page.items, options);
    const limits = { now: deps.now(), maxSeconds: options.batcherMaxBackoff };
    const finish = (group: readonly Ended[]) => finishGroup(deps, group, limits);
    all.finished += await actInGroups(deps.logger, ended, finish, signal);
    all.isHeldUp ||= page.items.some(({ session }) => session !== undefined && isHeldUp(session));
    const remove = ([batch]: readonly Batch[]) => deleteOverdue(deps, options, batch);
    await actOneByOne(deps.logger, overdue, remove, signal);
    if (!page.hasMore) return all;
    afterId = page.items.at(-1)?.batch.id;
  }
}

function judge(
  page: readonly SentBatch[],
  { batcherPendingTimeout: pendingSeconds, steadySince, at }: CycleOptions,
): { readonly ended: readonly Ended[]; readonly overdue: readonly Batch[] } {
  const ended: Ended[] = [];
  const overdue: Batch[] = [];
  for (const { batch, session } of page) {
    const { id, size, sentAt = batch.openedAt, sessionName = '' } = batch;
    const end = decideEnd(sentAt, session, { now: at, pendingSeconds, steadySince });
    if (end.kind === 'ended') ended.push({ ...end, id, size, session: sessionName });
    if (end.kind === 'overdue') overdue.push(batch);
  }
  return { ended, overdue };
}

/** Deletes the session of the batch. The batch ends once its session has ended. */
async function deleteOverdue(
  { store, logger, now }: BatchDependencies,
  { batcherPendingTimeout }: Options,
  batch: Batch | undefined,
): Promise<number> {
  if (batch?.sessionName === undefined) return 0;
  const { id, sessionName } = batch;
  const reason = `Still pending ${batcherPendingTimeout} s after it was sent (option batcher_pending_timeout).`;
  if (!(await deletePending(store, sessionName, { at: now(), by: 'batcher', reason }))) return 0;
  logger.info({ batch: id, session: sessionName }, 'a batch is pending for too long, deleted');
  return 1;
}

async function finishGroup(
  { store, logger }: BatchDependencies,
  group: readonly Ended[],
  limits: Limits,
): Promise<number> {
  const ours = new Set(await store.batches.finish(group, limits));
  for (const { id, session, result, reason } of group) {
    if (ours.has(id)) logger.info({ batch: id, session, result, reason }, 'a batch has ended');
  }
  return ours.size;
}

/** False if the session has begun to run, or was deleted, since it was read. */
async function deletePending(
  { sessions }: BatchDependencies['store'],
  name: string,
  wish: Parameters<typeof sessions.requestDeletePending>[1],
): Promise<boolean> {
  try {
    await sessions.requestDeletePending(name, wish);
    return true;
  } catch (error) {
    if (isServiceError(error) && error.fault === 'missing') return false;
    throw error;
  }
}
