import type { HardwareClient } from '../clients/interfaces.js';
import type { BatchDependencies } from './batch-dependencies.js';
import { renderCycle, runBatches } from './batcher.js';
import { withHeartbeat } from './heartbeat.js';

/** What the Web UI shows, and when the next cycle is due; absent if an option has turned the cycle off. */
export interface CycleReport {
  readonly details: string;
  readonly nextSeconds?: number;
}

export interface CycleActivities {
  readonly runBatcherCycle: () => Promise<CycleReport>;
  readonly syncHardware: () => Promise<CycleReport>;
}

export interface CycleDependencies extends BatchDependencies {
  readonly hardware: HardwareClient;
}

/** A shorter interval has an effect after this time, or as soon as a worker finds that the cycle rests longer than it says. */
const LONGEST_WAIT_SECONDS = 3_600;

/** Activities that repeat for as long as an option says so. They read the options anew each time. */
export function createCycleActivities(deps: CycleDependencies): CycleActivities {
  return {
    runBatcherCycle: () => withHeartbeat((signal) => runBatcherCycle(deps, signal)),
    syncHardware: () => withHeartbeat((signal) => syncHardware(deps, signal)),
  };
}

async function runBatcherCycle(deps: CycleDependencies, signal: AbortSignal): Promise<CycleReport> {
  const options = await deps.store.options.get();
  if (options.batcher !== 'internal')
    return { details: `The option batcher is ${options.batcher}.` };
  const status = await runBatches(deps, options, signal);
  return { details: renderCycle(status), nextSeconds: toWait(options.batcherCheckInterval) };
}

/** Gives every new node a component, without state. It is configured once somebody gives it a configuration. */
async function syncHardware(
  { store, hardware, logger }: CycleDependencies,
  signal: AbortSignal,
): Promise<CycleReport> {
  const { hwsync, hardwareSyncInterval } = await store.options.get();
  if (hwsync !== 'internal') return { details: `The option hwsync is ${hwsync}.` };
  const nodes = await hardware.fetchNodes(signal);
  const added = await store.components.addMissing(nodes.map(({ id }) => id));
  if (added > 0) logger.info({ added }, 'components were made of new nodes');
  const details = `${hardware.source}: ${nodes.length} nodes, ${added} of them new.`;
  return { details, nextSeconds: toWait(hardwareSyncInterval) };
}

/** How long a cycle waits for the next one. */
export function toWait(intervalSeconds: number): number {
  return Math.min(intervalSeconds, LONGEST_WAIT_SECONDS);
}
