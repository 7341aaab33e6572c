import { isServiceError } from '../core/errors.js';
import type { Perform, SweepDependencies, SweepEntry, SweepReport } from './sweep-dependencies.js';
import { removeImageOrphans } from './sweep-images.js';
import { removeLeftovers } from './sweep-leftovers.js';
import { sweepSessions } from './sweep-sessions.js';

export interface SweepOptions {
  /** Reports what would be done, and does nothing. */
  readonly dryRun: boolean;
}

/**
 * Compares records with workflows and repairs what no workflow can: see ARCHITECTURE.md, "The sweep". It asks Temporal
 * first and reads the record afterwards, so that it never acts on what has just ended, and it touches nothing that runs.
 */
export async function sweep(
  dependencies: SweepDependencies,
  options: SweepOptions,
  signal: AbortSignal,
): Promise<SweepReport> {
  const report = await performSweep(dependencies, options, signal);
  const { halted } = report;
  if (halted !== undefined) dependencies.logger.warn({ halted }, 'sweep halted');
  dependencies.observer?.onEnd(report);
  return report;
}

async function performSweep(
  dependencies: SweepDependencies,
  { dryRun }: SweepOptions,
  signal: AbortSignal,
): Promise<SweepReport> {
  const foreign = await findForeignTemporal(dependencies);
  if (foreign !== undefined) return { examined: 0, entries: [], halted: foreign };
  const entries: SweepEntry[] = [];
  const perform: Perform = async (entry, act) => {
    if (!dryRun) await act();
    if (!dryRun) dependencies.observer?.onAct(entry.act);
    entries.push(entry);
    dependencies.logger.info({ ...entry, dryRun }, 'sweep');
  };
  // A place may be free although sessions wait: a process died before it gave the place on, or the option was raised.
  if (!dryRun) await dependencies.store.admission.admit(dependencies.now());
  const examined = await sweepSessions(dependencies, perform, signal);
  if (!dryRun) await handOverRest(dependencies, signal);
  const halted = await removeLeftovers(dependencies, perform, signal);
  await removeImageOrphans(dependencies, perform, signal);
  return { examined, entries, ...(halted === undefined ? {} : { halted }) };
}

/** Hands over what a process has left that died, or could not reach Temporal. */
async function handOverRest(
  { handOver, logger }: SweepDependencies,
  signal: AbortSignal,
): Promise<void> {
  try {
    await handOver?.(signal);
  } catch (error) {
    // A webhooks file that cannot be used must not hold back the rest of the sweep.
    if (!isServiceError(error)) throw error;
    logger.warn({ err: error }, 'ends of sessions could not be handed over');
  }
}

/** Why nothing may be swept: a Temporal without this deployment's workflows would say of each of them that it is gone. */
async function findForeignTemporal({
  store,
  orchestrator,
}: SweepDependencies): Promise<string | undefined> {
  const actual = await orchestrator.namespaceId();
  const bound = await store.sweep.bindTemporal(actual);
  if (bound === actual) return undefined;
  return `This Temporal namespace (id ${actual}) is not the one that has this deployment's workflows (id ${bound}). If that one is gone for good, run: npm run sweep -- --rebind`;
}
