import { toSteadySince, type BatcherStatus } from '../core/batch.js';
import { isServiceError } from '../core/errors.js';
import { toBatchPrefix } from '../core/names.js';
import type { Options } from '../core/options.js';
import type { BatchDependencies, BatchLogger } from './batch-dependencies.js';
import { finishBatches } from './batch-ends.js';
import { PAGE } from './batch-groups.js';
import { sendBatches } from './batch-sending.js';

/** How long another batcher counts as active after its last session. */
const OUTSIDE_MS = 900_000;
/** How many components that are left out are shown. */
const MOST_LEFT_OUT = 20;
/** How long finished batches are shown. */
const KEPT_MS = 86_400_000;

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
  const [at, began] = [now(), performance.now()];
  const last = await store.batches.status();
  const steadySince = toSteadySince(last, {
    now: at,
    intervalSeconds: options.batcherCheckInterval,
  });
  const limits = { ...options, steadySince, at };
  const { finished, isHeldUp } = await finishBatches(deps, limits, signal);
  const halted = await findObstacle(deps, options);
  const { collected, leftOut = [] } =
    halted === undefined
      ? await collect(deps, options, signal)
      : { collected: 0, leftOut: last?.leftOut };
  noteLeftOut(deps.logger, leftOut, last?.leftOut);
  const sent = halted === undefined ? await sendBatches(deps, options, signal) : 0;
  await store.batches.removeFinished(toIso(Date.parse(now()) - KEPT_MS));
  const tookMs = Math.round(performance.now() - began);
  // A clock that was set during the cycle is a pause before the next one.
  const cycleAt = toIso(Date.parse(at) + tookMs);
  const status = {
    cycleAt,
    steadySince: isHeldUp ? cycleAt : steadySince,
    seconds: tookMs / 1000,
    collected,
    sent,
    finished,
    ...(leftOut.length === 0 ? {} : { leftOut }),
    ...(halted === undefined ? {} : { halted }),
  };
  await store.batches.noteCycle(status);
  return status;
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
  const until = now();
  const since = toIso(Date.parse(until) - OUTSIDE_MS);
  const other = await store.batches.findOutside(ours, { since, until });
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
): Promise<Required<Pick<BatcherStatus, 'collected' | 'leftOut'>>> {
  let collected = 0;
  const leftOut: string[] = [];
  for (let afterId: string | undefined; ;) {
    signal.throwIfAborted();
    const page = { limit: PAGE, ...(afterId === undefined ? {} : { afterId }) };
    const result = await store.batches.collect({ at: now(), batchSize, page });
    collected += result.collected;
    leftOut.push(...result.leftOut.slice(0, MOST_LEFT_OUT - leftOut.length));
    if (result.lastId === undefined) return { collected, leftOut };
    afterId = result.lastId;
  }
}

/** Says it once, and again when others are left out. */
function noteLeftOut(
  logger: BatchLogger,
  leftOut: readonly string[],
  before: readonly string[] = [],
): void {
  if (leftOut.every((id) => before.includes(id))) return;
  logger.warn({ components: leftOut }, 'components are left out: their ids are not names of hosts');
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
