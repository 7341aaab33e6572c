import { isBackedOff, PLATFORM, toConfigurationCause } from '../core/backoff-cause.js';
import {
  decideEnd,
  toGroups,
  toSteadySince,
  type Batch,
  type BatcherStatus,
} from '../core/batch.js';
import { isServiceError } from '../core/errors.js';
import { toBatchPrefix } from '../core/names.js';
import type { Options } from '../core/options.js';
import type { EndedBatch, Sending, SentBatch } from '../store/batches/batch-store.js';
import type { Store } from '../store/store.js';
import type { Logger } from './dependencies.js';

/** How many batches and components are read at a time, and how many components are sent. */
const PAGE = 1_000;
/** How long another batcher counts as active after its last session. */
const OUTSIDE_MS = 900_000;
/** How long finished batches are shown. */
const KEPT_MS = 86_400_000;

interface BatchLogger extends Logger {
  warn(fields: object, message: string): void;
}

type Limits = Parameters<Store['batches']['finish']>[1];

type CycleOptions = Options & Pick<Required<BatcherStatus>, 'steadySince'>;

interface Ended extends EndedBatch, Pick<Batch, 'size'> {
  readonly session: string;
}

export interface BatchDependencies {
  readonly store: Store;
  readonly logger: BatchLogger;
  readonly now: () => string;
  /** Throws fault `unavailable` while there is no room for new sessions. */
  readonly requireRoom?: () => Promise<void>;
}

/**
 * One cycle: finish ended batches, collect components, send due batches. Each step is a
 * transaction, so a cycle may stop anywhere.
 */
export async function runBatches(
  deps: BatchDependencies,
  options: Options,
  signal: AbortSignal,
): Promise<BatcherStatus> {
  const { store, now } = deps;
  const began = Date.now();
  const interval = { now: now(), intervalSeconds: options.batcherCheckInterval };
  const steadySince = toSteadySince(await store.batches.status(), interval);
  const finished = await finishBatches(deps, { ...options, steadySince }, signal);
  const halted = await findObstacle(deps, options);
  const collected = halted === undefined ? await collect(deps, options, signal) : 0;
  const sent = halted === undefined ? await sendBatches(deps, options, signal) : 0;
  await store.batches.removeFinished(toIso(Date.parse(now()) - KEPT_MS));
  const status = {
    ...{
      cycleAt: now(),
      steadySince,
      seconds: (Date.now() - began) / 1000,
      collected,
      sent,
      finished,
    },
    ...(halted === undefined ? {} : { halted }),
  };
  await store.batches.noteCycle(status);
  return status;
}

async function finishBatches(
  deps: BatchDependencies,
  options: CycleOptions,
  signal: AbortSignal,
): Promise<number> {
  let count = 0;
  for (let afterId: string | undefined; ;) {
    const page = await deps.store.batches.listSent(PAGE, afterId);
    const { ended, overdue } = judge(page.items, options, deps.now());
    const limits = { now: deps.now(), maxSeconds: options.batcherMaxBackoff };
    const finish = (group: readonly Ended[]) => finishGroup(deps, group, limits);
    count += await actInGroups(deps.logger, ended, finish, signal);
    const remove = ([batch]: readonly Batch[]) => deleteOverdue(deps, options, batch);
    await actOneByOne(deps.logger, overdue, remove, signal);
    if (!page.hasMore) return count;
    afterId = page.items.at(-1)?.batch.id;
  }
}

function judge(
  page: readonly SentBatch[],
  { batcherPendingTimeout, steadySince }: CycleOptions,
  now: string,
): { readonly ended: readonly Ended[]; readonly overdue: readonly Batch[] } {
  const ended: Ended[] = [];
  const overdue: Batch[] = [];
  for (const { batch, session } of page) {
    const { id, size, sentAt = batch.openedAt, sessionName = '' } = batch;
    const limit = { now, pendingSeconds: batcherPendingTimeout, steadySince };
    const end = decideEnd(sentAt, session, limit);
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

/** Returns the sum of the counts. A group that fails is tried one by one, so that a bad batch does not hold back the others. */
async function actInGroups<T extends Pick<Batch, 'id' | 'size'>>(
  logger: BatchLogger,
  batches: readonly T[],
  act: (group: readonly T[]) => Promise<number>,
  signal: AbortSignal,
): Promise<number> {
  let count = 0;
  for (const group of toGroups(batches, PAGE)) {
    signal.throwIfAborted();
    count += await act(group).catch((error: unknown) => {
      if (isAway(error)) throw error;
      return actOneByOne(logger, group, act, signal);
    });
  }
  return count;
}

async function actOneByOne<T extends Pick<Batch, 'id'>>(
  logger: BatchLogger,
  group: readonly T[],
  act: (group: readonly T[]) => Promise<number>,
  signal: AbortSignal,
): Promise<number> {
  let count = 0;
  for (const one of group) {
    signal.throwIfAborted();
    count += await act([one]).catch((error: unknown) => {
      if (isAway(error)) throw error;
      logger.warn({ err: error, batch: one.id }, 'a batch fails; it is tried again');
      return 0;
    });
  }
  return count;
}

/** Whether the database does not answer. */
function isAway(error: unknown): boolean {
  return isServiceError(error) && error.fault === 'unavailable';
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

/** Why nothing may be sent now; undefined if nothing prevents it. */
async function findObstacle(
  { store, now, requireRoom }: BatchDependencies,
  { batcherDisable }: Options,
): Promise<string | undefined> {
  if (batcherDisable) return 'The option batcher_disable is set.';
  const shortage = await findShortage(requireRoom);
  if (shortage !== undefined) return shortage;
  const ours = toBatchPrefix(await store.deploymentId());
  const since = toIso(Date.parse(now()) - OUTSIDE_MS);
  const other = await store.batches.findOutside(ours, since);
  if (other === undefined) return undefined;
  return `Another batcher is active: session ${other} is not one of ours. Stop it, or set the option batcher to external.`;
}

async function findShortage(
  requireRoom: BatchDependencies['requireRoom'],
): Promise<string | undefined> {
  try {
    await requireRoom?.();
    return undefined;
  } catch (error) {
    if (isServiceError(error)) return error.message;
    throw error;
  }
}

async function collect(
  { store, now }: BatchDependencies,
  { batchSize }: Options,
  signal: AbortSignal,
): Promise<number> {
  let collected = 0;
  for (let afterId: string | undefined; ;) {
    signal.throwIfAborted();
    const page = { limit: PAGE, ...(afterId === undefined ? {} : { afterId }) };
    const result = await store.batches.collect({ at: now(), batchSize, page });
    collected += result.collected;
    if (result.lastId === undefined) return collected;
    afterId = result.lastId;
  }
}

async function sendBatches(
  { store, logger, now }: BatchDependencies,
  { batchSize, batchWindow }: Options,
  signal: AbortSignal,
): Promise<number> {
  const at = now();
  // Not before 1970, because a window may be so long that it would begin at no valid date.
  const openedUntil = toIso(Math.max(Date.parse(at) - batchWindow * 1000, 0));
  const causes = await store.batches.causes();
  const held = new Set(causes.filter((cause) => isBackedOff(cause, at)).map(({ cause }) => cause));
  if (held.has(PLATFORM)) return 0;
  const due = await store.batches.listDue({ batchSize, openedUntil });
  const free = due.filter((batch) => !held.has(toConfigurationCause(batch.configurationName)));
  const send = async (group: readonly Batch[]) => {
    const ids = group.map(({ id }) => id);
    const sending = await store.batches.send(ids, now());
    noteSending(logger, group, sending);
    return sending.sent.size;
  };
  return actInGroups(logger, free, send, signal);
}

function noteSending(
  logger: BatchLogger,
  group: readonly Batch[],
  { sent, refused }: Sending,
): void {
  for (const { id, configurationName, layers, size } of group) {
    const facts = { batch: id, configuration: configurationName, layers, components: size };
    const session = sent.get(id);
    if (session !== undefined) logger.info({ ...facts, session }, 'a batch was sent');
    const name = refused.get(id);
    if (name !== undefined) {
      const message =
        'a batch was not sent, as another session has its name; its components wait on';
      logger.info({ ...facts, session: name }, message);
    }
  }
}

export function renderCycle({ seconds, collected, sent, finished, halted }: BatcherStatus): string {
  const rows = [
    `| components collected | ${collected} |`,
    `| batches sent | ${sent} |`,
    `| batches finished | ${finished} |`,
    `| seconds | ${seconds.toFixed(1)} |`,
  ];
  const table = ['| last cycle | |', '| --- | --- |', ...rows].join('\n');
  return halted === undefined ? table : `**Nothing is sent.** ${halted}\n\n${table}`;
}

function toIso(milliseconds: number): string {
  return new Date(milliseconds).toISOString();
}
