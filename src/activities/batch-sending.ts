import {
  isBackedOff,
  limitBackOff,
  PLATFORM,
  toConfigurationCause,
} from '../core/backoff-cause.js';
import type { Batch } from '../core/batch.js';
import type { Options } from '../core/options.js';
import type { Sending } from '../store/batches/batch-store.js';
import type { BatchDependencies, BatchLogger } from './batch-dependencies.js';
import { actInGroups } from './batch-groups.js';

/** Sends the batches that are due, unless their cause is backed off. Returns how many were sent. */
export async function sendBatches(
  { store, logger, now }: BatchDependencies,
  { batchSize, batchWindow, batcherMaxBackoff }: Options,
  signal: AbortSignal,
): Promise<number> {
  const at = now();
  // Not before 1970, because a window may be so long that it would begin at no valid date.
  const openedUntil = new Date(Math.max(Date.parse(at) - batchWindow * 1000, 0)).toISOString();
  const causes = (await store.batches.causes()).map((cause) =>
    limitBackOff(cause, batcherMaxBackoff),
  );
  const held = new Set(causes.filter((cause) => isBackedOff(cause, at)).map(({ cause }) => cause));
  if (held.has(PLATFORM)) return 0;
  const due = await store.batches.listDue({ batchSize, openedUntil, now: at });
  const free = due.filter((batch) => !held.has(toConfigurationCause(batch.configurationName)));
  const send = async (group: readonly Batch[]) => {
    const ids = group.map(({ id }) => id);
    const sending = await store.batches.send(ids, { at: now(), batchSize });
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
    const own = sent.get(id);
    if (own !== undefined) {
      const { session, size: components } = own;
      logger.info({ ...facts, components, session }, 'a batch was sent');
    }
    const name = refused.get(id);
    if (name !== undefined) {
      const message =
        'a batch was not sent, as another session has its name; its components wait on';
      logger.info({ ...facts, session: name }, message);
    }
  }
}
