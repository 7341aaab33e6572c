import type { Store } from '../store/store.js';
import type { Logger } from './logger.js';

export interface PresenceOptions {
  readonly store: Pick<Store, 'sweep'>;
  readonly logger: Logger;
  /** Absent where jobs are no machine's. */
  readonly machine?: string;
}

/** The sweep counts on it, see `machine_lost_after`. */
const INTERVAL_MS = 30_000;

/**
 * Notes that this machine is alive: before it resolves, and by timer. Whatever else the worker is at may not keep it from that,
 * or the sessions of a machine that is alive would count as lost.
 */
export async function startPresence(
  { store, logger, machine }: PresenceOptions,
  intervalMs = INTERVAL_MS,
) {
  if (machine === undefined) return { close: () => Promise.resolve() };
  let noting: Promise<void> | undefined;
  const note = () =>
    (noting ??= noteAlive(store, machine)
      .catch((error: unknown) =>
        logger.warn({ err: error }, 'this machine could not be noted as alive'),
      )
      .finally(() => (noting = undefined)));
  await note();
  const timer = setInterval(() => void note(), intervalMs);
  return {
    async close() {
      clearInterval(timer);
      await noting;
    },
  };
}

async function noteAlive({ sweep }: PresenceOptions['store'], machine: string): Promise<void> {
  await sweep.seeMachine(machine, await sweep.clock());
}
