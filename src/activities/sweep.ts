import { endFailingCycles } from './sweep-cycles.js';
import type { SweepDependencies, SweepReport } from './sweep-dependencies.js';
import { removeImageOrphans } from './sweep-images.js';
import { removeLeftovers } from './sweep-leftovers.js';
import { openRun, type SweepOptions } from './sweep-run.js';
import { sweepSessions } from './sweep-sessions.js';
import { admitWaiting, endVainWaits } from './sweep-waiting.js';

/**
 * Compares records with workflows and repairs what no workflow can: see ARCHITECTURE.md, "The sweep". It asks Temporal
 * first and reads the record afterwards, so that it never acts on what has just ended, and it touches nothing that runs.
 */
export async function sweep(
  dependencies: SweepDependencies,
  options: SweepOptions,
  signal: AbortSignal,
): Promise<SweepReport> {
  const { logger, observer } = dependencies;
  const report = await performSweep(dependencies, options, signal);
  const { halted, examined, failures } = report;
  if (failures.length > 0)
    logger.warn({ examined, failed: failures.length }, 'sweep could not do everything');
  if (halted !== undefined) logger.warn({ halted }, 'sweep halted');
  observer?.onEnd(report);
  return report;
}

async function performSweep(
  dependencies: SweepDependencies,
  options: SweepOptions,
  signal: AbortSignal,
): Promise<SweepReport> {
  const foreign = await findForeignTemporal(dependencies);
  if (foreign !== undefined) return { examined: 0, entries: [], failures: [], halted: foreign };
  const { handOver } = dependencies;
  const run = openRun(dependencies, options, signal);
  await admitWaiting(dependencies, run);
  const unfinished = await sweepSessions(dependencies, run);
  await endVainWaits(dependencies, unfinished, run);
  await endFailingCycles(dependencies, run);
  // What a process has left that died, or could not reach Temporal.
  await run.attempt({ message: 'ends of sessions could not be handed over' }, async () =>
    handOver?.(run),
  );
  const halted = await removeLeftovers(dependencies, run);
  await removeImageOrphans(dependencies, run);
  return {
    examined: unfinished.size,
    ...run.report(),
    ...(halted === undefined ? {} : { halted }),
  };
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
