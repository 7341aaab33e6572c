import { isBackedOff, PLATFORM, toConfigurationCause } from '../core/backoff-cause.js';
import { decideEnd, toGroups, type Batch, type BatcherStatus } from '../core/batch.js';
import { isServiceError } from '../core/errors.js';
import { toBatchPrefix } from '../core/names.js';
import type { Options } from '../core/options.js';
import type { EndedBatch, Sending, SentBatch } from '../store/batches/batch-store.js';
import type { Store } from '../store/store.js';
import type { Logger } from './dependencies.js';

/** Batches and components that are read, and components that are sent, at a time. */
const PAGE = 1_000;
/** How long another batcher counts as being at work after its last session. */
const OUTSIDE_MS = 900_000;
/** Finished batches are shown for so long. */
const KEPT_MS = 86_400_000;

interface BatchLogger extends Logger {
  warn(fields: object, message: string): void;
}

type Limits = Parameters<Store['batches']['finish']>[1];

interface Ended extends EndedBatch, Pick<Batch, 'size'> {
  readonly session: string;
}

export interface BatchDependencies {
  readonly store: Store;
  readonly logger: BatchLogger;
  readonly now: () => string;
}

/** One cycle: what has ended, what is new, what is due. Each step is a transaction, so a cycle may stop anywhere. */
export async function runBatches(
  deps: BatchDependencies,
  options: Options,
  signal: AbortSignal,
): Promise<BatcherStatus> {
  const { store, now } = deps;
  const began = Date.now();
  const finished = await finishBatches(deps, options, signal);
  const halted = await findObstacle(deps, options);
  const collected = halted === undefined ? await collect(deps, options, signal) : 0;
  const sent = halted === undefined ? await sendBatches(deps, options, signal) : 0;
  await store.batches.removeFinished(toIso(Date.parse(now()) - KEPT_MS));
  const status = {
    ...{ cycleAt: now(), seconds: (Date.now() - began) / 1000, collected, sent, finished },
    ...(halted === undefined ? {} : { halted }),
  };
  await store.batches.noteCycle(status);
  return status;
}

async function finishBatches(
  deps: BatchDependencies,
  options: Options,
  signal: AbortSignal,
): Promise<number> {
  let count = 0;
  for (let afterId: string | undefined; ;) {
    const page = await deps.store.batches.listSent(PAGE, afterId);
    const ended = await findEnded(deps, options, page.items);
    for (const group of toGroups(ended, PAGE)) {
      signal.throwIfAborted();
      const limits = { now: deps.now(), maxSeconds: options.batcherMaxBackoff };
      count += await finishGroup(deps, group, limits);
    }
    if (!page.hasMore) return count;
    afterId = page.items.at(-1)?.batch.id;
  }
}

async function findEnded(
  { store, logger, now }: BatchDependencies,
  { batcherPendingTimeout }: Options,
  page: readonly SentBatch[],
): Promise<readonly Ended[]> {
  const moment = { now: now(), pendingSeconds: batcherPendingTimeout };
  const ended: Ended[] = [];
  for (const { batch, session } of page) {
    const { id, size, sentAt = batch.openedAt, sessionName = '' } = batch;
    const end = decideEnd(sentAt, session, moment);
    if (end.kind === 'ended') ended.push({ ...end, id, size, session: sessionName });
    if (end.kind !== 'overdue') continue;
    const reason = `Still pending ${batcherPendingTimeout} s after it was sent (option batcher_pending_timeout).`;
    logger.info({ batch: id, session: sessionName }, 'a batch is pending for too long, deleted');
    await deleteOnce(store, sessionName, { at: moment.now, by: 'batcher', reason });
  }
  return ended;
}

/** Where a group fails, each of it is tried alone, and what fails by itself keeps no other waiting. */
async function finishGroup(
  deps: BatchDependencies,
  group: readonly Ended[],
  limits: Limits,
): Promise<number> {
  try {
    return await finishTogether(deps, group, limits);
  } catch (error) {
    if (isServiceError(error) && error.fault === 'unavailable') throw error;
    let count = 0;
    if (group.length > 1) for (const one of group) count += await finishGroup(deps, [one], limits);
    else noteOdd(deps.logger, group, error);
    return count;
  }
}

function noteOdd(logger: BatchLogger, group: readonly Ended[], error: unknown): void {
  for (const { id, session } of group)
    logger.warn({ err: error, batch: id, session }, 'a batch cannot be ended; it is tried again');
}

async function finishTogether(
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

/** Somebody else may have deleted it just now. */
async function deleteOnce(
  store: BatchDependencies['store'],
  name: string,
  wish: Parameters<BatchDependencies['store']['sessions']['requestDelete']>[1],
): Promise<void> {
  try {
    await store.sessions.requestDelete(name, wish);
  } catch (error) {
    if (!isServiceError(error) || error.fault !== 'missing') throw error;
  }
}

/** Why nothing may be sent now. */
async function findObstacle(
  { store, now }: BatchDependencies,
  { batcherDisable }: Options,
): Promise<string | undefined> {
  if (batcherDisable) return 'The option batcher_disable is set.';
  const ours = toBatchPrefix(await store.deploymentId());
  const since = toIso(Date.parse(now()) - OUTSIDE_MS);
  const other = await store.batches.findOutside(ours, since);
  if (other === undefined) return undefined;
  return `Another batcher is at work: session ${other} is not of this one. Stop it, or set the option batcher to external.`;
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
  const openedUntil = toIso(Date.parse(at) - batchWindow * 1000);
  const causes = await store.batches.causes();
  const held = new Set(causes.filter((cause) => isBackedOff(cause, at)).map(({ cause }) => cause));
  if (held.has(PLATFORM)) return 0;
  const due = await store.batches.listDue({ batchSize, openedUntil });
  const free = due.filter((batch) => !held.has(toConfigurationCause(batch.configurationName)));
  let count = 0;
  for (const group of toGroups(free, PAGE)) {
    signal.throwIfAborted();
    const ids = group.map(({ id }) => id);
    const sending = await store.batches.send(ids, now());
    noteSending(logger, group, sending);
    count += sending.sent.size;
  }
  return count;
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
