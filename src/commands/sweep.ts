import { parseArgs } from 'node:util';
import { handOverRest } from '../activities/notification-handover.js';
import { sweep } from '../activities/sweep.js';
import type {
  SweepDependencies,
  SweepLogger,
  SweepReport,
} from '../activities/sweep-dependencies.js';
import type { Orchestrator } from '../clients/interfaces.js';
import { createWebhookClient } from '../clients/webhook.js';
import { parseConfig, type Config } from '../config.js';
import type { SourceConfig } from '../config/sources.js';
import { omitUndefined } from '../core/omit-undefined.js';
import { toOwnImages } from '../process/image-service.js';
import { findMasterKey } from '../process/master-key.js';
import { openOrchestrator } from '../process/orchestrator.js';
import { readServiceFile } from '../process/service-file.js';
import { createRemovalClock } from '../process/removal-clock.js';
import { followClock } from '../process/shared-clock.js';
import { createImageSource } from '../process/worker-sources.js';
import type { Store } from '../store/store.js';
import { openPresentStore } from './database.js';
import { runCommand } from './run.js';

const HELP = `npm run sweep -- [options]

Runs one sweep now: compares records with Temporal and repairs what no workflow can.

  --dry-run  only show what it would do
  --rebind   accept this Temporal namespace as the right one from now on, after it was emptied or renamed
  --json     print the report as JSON; with npm run -s, print nothing else

Exit code 1: it halted, or could not look at something or put it right. It says why, and what to do.`;

/** Workers note every 30 s that they are alive. */
const HEARD_MS = 120_000;

/** Names each thing that fails as it fails, because the sweep continues. A halt is in the report. */
const complaints: SweepLogger = {
  info: () => undefined,
  warn(fields, message) {
    const { err, session = 'npm run sweep' } = fields as { err?: Error; session?: string };
    if (err === undefined) return;
    process.stderr.write(`${session}: ${message}: ${err.message}\n`);
    process.exitCode = 1;
  },
};

const WOULD = {
  admit: 'would admit',
  restart: 'would restart',
  record: 'would record',
  tell: 'would tell',
  move: 'would move',
  lose: 'would give up',
  end: 'would end',
  notify: 'would notify',
  forget: 'would forget',
  remove: 'would tidy',
};
const DID = {
  admit: 'admitted',
  restart: 'restarted',
  record: 'recorded',
  tell: 'told',
  move: 'moved',
  lose: 'gave up',
  end: 'ended',
  notify: 'notified',
  forget: 'forgot',
  remove: 'tidied',
};

interface SweepArguments {
  readonly 'dry-run'?: boolean;
  readonly rebind?: boolean;
  readonly json?: boolean;
  readonly help?: boolean;
}

await runCommand(async () => {
  const { values }: { values: SweepArguments } = parseArgs({
    options: {
      'dry-run': { type: 'boolean' },
      rebind: { type: 'boolean' },
      json: { type: 'boolean' },
      help: { type: 'boolean' },
    },
  });
  if (values.help === true) return HELP;
  const config = parseConfig(process.env);
  const store = await openPresentStore(config.database);
  try {
    const report = await sweepNow(config, store, values);
    if (report.halted !== undefined || report.failures.length > 0) process.exitCode = 1;
    return values.json === true ? JSON.stringify(report) : render(report, values['dry-run']);
  } finally {
    await store.close();
  }
});

async function sweepNow(
  config: Config,
  store: Store,
  { 'dry-run': dryRun = false, rebind = false }: SweepArguments,
): Promise<SweepReport> {
  // Both keep the process alive until they are closed.
  const orchestrator = await openOrchestrator(findTemporal(config), config.temporal, store);
  const clock = await followClock(() => store.sweep.clock());
  try {
    // First, so that nothing is changed if the master key is the wrong one.
    const images = await openImageSource(config, store);
    if (rebind && !dryRun) await store.sweep.rebindTemporal(await orchestrator.namespaceId());
    const { sweepLimit, machineLostAfter } = await store.options.get();
    return await sweep(
      {
        store,
        orchestrator,
        logger: complaints,
        now: clock.now,
        limit: sweepLimit,
        // If no worker has been heard recently, all machines are silent, and none may count as lost.
        machineLostSeconds: (await isAnyHeard(store)) ? machineLostAfter : 0,
        ...omitUndefined({ images }),
        ...createHandOver(config.webhooksFile, { store, orchestrator, now: clock.now }),
      },
      { dryRun },
      AbortSignal.timeout(600_000),
    );
  } finally {
    clock.close();
    await orchestrator.close();
  }
}

/** Opens the master key only if there is an image service, because nothing else needs it. */
async function openImageSource(
  config: Config,
  store: Store,
): Promise<ReturnType<typeof createImageSource>> {
  const sources = findSources(config);
  if (sources.imsUrl === undefined) return undefined;
  const key = await findMasterKey(config.masterKeyFile, store);
  return createImageSource(sources, key, await store.deploymentId());
}

/** Hands over ends of sessions as the sweep of a worker does. Only workers decide whether ends are noted at all. */
function createHandOver(
  file: string | undefined,
  { store, orchestrator, now }: { store: Store; orchestrator: Orchestrator; now: () => string },
): Pick<SweepDependencies, 'handOver'> {
  if (file === undefined) return {};
  const webhooks = createWebhookClient({ file, now });
  const removalTime = createRemovalClock(store);
  const handover = { store, orchestrator, webhooks, logger: complaints, now, removalTime };
  return { handOver: (run) => handOverRest(handover, run) };
}

async function isAnyHeard(store: Store): Promise<boolean> {
  const since = new Date(Date.parse(await store.sweep.clock()) - HEARD_MS).toISOString();
  return [...(await store.sweep.listMachines()).values()].some((seenAt) => seenAt > since);
}

function findTemporal({ temporal, dataDirectory }: Config): string {
  if (temporal.address !== undefined) return temporal.address;
  // With RUNNER=none the service has no Temporal. Without an address, the client would use any that runs on this machine.
  const address = readServiceFile(dataDirectory)?.temporal ?? undefined;
  if (address !== undefined) return address;
  throw new Error(
    `TEMPORAL_ADDRESS is not set, and no service runs in ${dataDirectory} to take it from.`,
  );
}

/** Without an IMS, uses the image service of the embedded service. */
function findSources({ sources, imageService, dataDirectory }: Config): SourceConfig {
  if (sources.imsUrl !== undefined) return sources;
  const url = readServiceFile(dataDirectory)?.images ?? undefined;
  return url === undefined ? sources : { ...sources, ...toOwnImages(url, imageService) };
}

function render({ examined, entries, failures, halted }: SweepReport, dryRun = false): string {
  const words = dryRun ? WOULD : DID;
  const lines = entries.map(
    ({ act, session, jobId, why }) => `${words[act].padEnd(13)} ${session} (${jobId}): ${why}`,
  );
  const count =
    entries.length === 0 ? 'Nothing to do.' : `${dryRun ? 'To do' : 'Done'}: ${entries.length}.`;
  // It may have halted before it looked at anything, and then nobody knows whether there is something to do.
  const isBlind = halted !== undefined && entries.length === 0;
  return [
    ...lines,
    ...(halted === undefined ? [] : [halted]),
    ...(failures.length === 0 ? [] : [`Could not be looked at or put right: ${failures.length}.`]),
    ...(isBlind ? [] : [`Sessions that are not complete: ${examined}. ${count}`]),
  ].join('\n');
}
