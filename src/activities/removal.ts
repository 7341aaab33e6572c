import { setImmediate } from 'node:timers/promises';
import { planRetention } from '../core/retention.js';
import type { Store } from '../store/store.js';
import type { Logger } from './dependencies.js';

export interface RetentionResult {
  /** Sessions that were deleted because of their age. */
  readonly expired: number;
  /** Rows of deleted sessions. */
  readonly removedRows: number;
  /** Bytes of logs that were over the limit. */
  readonly removedLogBytes: number;
  /** Bytes that the database has given back to the disk. */
  readonly freedBytes: number;
}

export interface RemovalDependencies {
  readonly store: Store;
  /** Should not be the clock of one machine, which may be wrong. */
  readonly now: () => string | Promise<string>;
  readonly logger: Logger;
}

/** Removes what retention does not keep. It may be stopped anywhere and run again, and by several processes at once. */
export async function removeOld(
  { store, now, logger }: RemovalDependencies,
  signal: AbortSignal,
): Promise<RetentionResult> {
  const plan = planRetention(await store.options.get(), await now());
  const { expiredUntil: until, deletedUntil, maxLogBytes } = plan;
  const { retention } = store;
  const repeat = (step: () => Promise<number>) => repeatStep(step, signal);
  const result = {
    expired:
      until === undefined
        ? 0
        : await repeat(async () => retention.expireSessions(until, await now())),
    removedRows: await repeat(() => retention.removeDeleted(deletedUntil)),
    removedLogBytes:
      maxLogBytes === undefined ? 0 : await limitLogs(retention, maxLogBytes, signal),
    freedBytes: await repeat(() => retention.shrink()),
  };
  if (Object.values(result).some((count) => count > 0)) logger.info(result, 'old data removed');
  return result;
}

async function limitLogs(
  retention: Store['retention'],
  maxBytes: number,
  signal: AbortSignal,
): Promise<number> {
  const before = await retention.logStoreBytes();
  const reason = `the logs of all sessions were larger than log_store_max_bytes (${maxBytes})`;
  await repeatStep(async () => {
    if ((await retention.logStoreBytes()) <= maxBytes) return 0;
    return (await retention.removeOldestLog(reason)) ? 1 : 0;
  }, signal);
  return Math.max(0, before - (await retention.logStoreBytes()));
}

/** Repeats a step until it has nothing to do, and returns how much was done. Other work of this process runs in between. */
async function repeatStep(step: () => Promise<number>, signal: AbortSignal): Promise<number> {
  let total = 0;
  for (;;) {
    signal.throwIfAborted();
    const done = await step();
    if (done === 0) return total;
    total += done;
    await setImmediate();
  }
}
