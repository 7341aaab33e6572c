import type { Store } from '../store/store.js';
import type { Logger } from './logger.js';
import { startRepetition } from './repetition.js';

export interface PresenceOptions {
  readonly store: Pick<Store, 'sweep'>;
  readonly logger: Logger;
  /** Absent if jobs do not belong to a machine. */
  readonly machine?: string;
}

/** Must stay well below the option `machine_lost_after`, by which the sweep counts machines as lost. */
const INTERVAL_MS = 30_000;

/**
 * Notes that this machine is alive: once before it resolves, then by timer. No other work of the worker may delay that, or the
 * sessions of a live machine would count as lost.
 */
export async function startPresence(
  { store, logger, machine }: PresenceOptions,
  intervalMs = INTERVAL_MS,
) {
  if (machine === undefined) return { close: () => Promise.resolve() };
  const note = async () => {
    try {
      await store.sweep.seeMachine(machine, await store.sweep.clock());
    } catch (error) {
      logger.warn({ err: error }, 'this machine could not be noted as alive');
    }
  };
  const { first, close } = startRepetition(note, intervalMs);
  await first;
  return { close };
}
