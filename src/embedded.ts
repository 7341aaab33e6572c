import { startApi } from './api/server.js';
import type { Config } from './config.js';
import { DEFAULT_HSM_URL } from './config/sources.js';
import { omitUndefined } from './core/omit-undefined.js';
import { findImageTools } from './image-service/tools.js';
import { observeStore } from './metrics/store-metrics.js';
import { holdDataDirectory, prepareDataDirectory } from './process/data-directory.js';
import { startDevServer } from './process/dev-server.js';
import { lockDirectory } from './process/directory-lock.js';
import { protectImageService, startImageService, toOwnImages } from './process/image-service.js';
import { createLogger, type Logger } from './process/logger.js';
import { createProcessMetrics } from './process/metrics.js';
import { isProgram, readConfig, runService, type Service } from './process/run.js';
import { installRuntime } from './process/runtime.js';
import { keepServiceFile } from './process/service-file.js';
import { openStore } from './store/open.js';
import { startWorker } from './worker.js';

const LOCK_PATIENCE_MS = 3_000;

/**
 * Runs API and worker in one process. Also starts a Temporal dev server and an image service, unless TEMPORAL_ADDRESS and
 * IMS_URL name others. With RUNNER=none it runs the API alone.
 */
export async function startEmbedded(
  config: Config,
  logger: Logger,
  signal?: AbortSignal,
): Promise<Service> {
  const { open, close } = createParts(logger);
  try {
    return { ...(await openParts(config, logger, open, signal)), close };
  } catch (error) {
    await close();
    throw error;
  }
}

type Open = <T extends Service>(part: Promise<T>) => Promise<T>;

/** The open parts of the service. They are closed in reverse order. */
function createParts(logger: Logger): { readonly open: Open; readonly close: () => Promise<void> } {
  const parts: Service[] = [];
  return {
    open: async (opening) => {
      const part = await opening;
      parts.unshift(part);
      return part;
    },
    close: async () => {
      for (const part of parts) {
        // A part that cannot be closed must not leave the others open.
        await part
          .close()
          .catch((error: unknown) => logger.error({ err: error }, 'closing failed'));
      }
    },
  };
}

async function openParts(
  given: Config,
  logger: Logger,
  open: Open,
  signal: AbortSignal | undefined,
): Promise<Pick<Service, 'ended'>> {
  // A second service would end the dev server of the first, as if a killed service had left it behind.
  prepareDataDirectory(given.dataDirectory, { hasJobs: given.runner.kind !== 'none' });
  await open(lockDataDirectory(given.dataDirectory));
  // The lock does not reach into other containers. The worker checks that too, but only after a second dev server has opened
  // Temporal's file.
  if (given.runner.kind !== 'none') await open(keepDataDirectory(given.dataDirectory));
  const config = await addImageService(given, logger, open);
  const temporal =
    config.runner.kind === 'none' ? undefined : await findTemporal(config, logger, open);
  const registry = createProcessMetrics(config.dataDirectory);
  const store = observeStore(await open(openStore(config.database, logger, signal)), registry);
  const shared = { config, store, logger, registry };
  const api = await open(startApi({ ...shared, ...temporal }));
  const worker =
    temporal &&
    (await open(
      startWorker({
        ...shared,
        ...temporal,
        jobUrl: api.jobUrl,
        publicUrl: config.api.publicUrl ?? api.url,
        ownsTemporal: config.temporal.address === undefined,
      }),
    ));
  const parts = {
    api: api.url,
    temporal: temporal?.temporalAddress ?? null,
    temporalUi: temporal?.uiUrl ?? null,
    images: config.sources.imsUrl ?? null,
    pid: process.pid,
  };
  await open(keepServiceFile(config.dataDirectory, parts));
  logNodeSource(config, logger);
  logger.info(parts, 'keelson is ready');
  return omitUndefined({ ended: worker?.ended });
}

/** Only a Cray system has the default address. A newcomer learns that here, before the first session fails. */
function logNodeSource({ runner, sources }: Config, logger: Logger): void {
  const { hsmUrl, inventoryFile } = sources;
  if (runner.kind === 'none' || inventoryFile !== undefined || hsmUrl !== DEFAULT_HSM_URL) return;
  logger.info(
    { hsmUrl },
    'sessions ask this hardware state manager for their nodes; INVENTORY_FILE or HSM_URL selects another source',
  );
}

function lockDataDirectory(directory: string): Promise<Service> {
  return lockDirectory(directory, 'service', LOCK_PATIENCE_MS).catch((cause: unknown) => {
    throw new Error(
      `KEELSON_DATA: ${(cause as Error).message} Stop it, or give this one a directory of its own.`,
    );
  });
}

async function keepDataDirectory(directory: string): Promise<Service> {
  const hold = await holdDataDirectory(directory);
  return {
    close() {
      hold.close();
      return Promise.resolve();
    },
  };
}

interface TemporalPlace {
  readonly temporalAddress: string;
  readonly uiUrl?: string;
}

async function findTemporal(config: Config, logger: Logger, open: Open): Promise<TemporalPlace> {
  const { address } = config.temporal;
  if (address !== undefined) return { temporalAddress: address };
  const server = await open(startDevServer(config.temporal, config.dataDirectory, logger));
  return { temporalAddress: server.address, uiUrl: server.uiUrl };
}

/** Adds the URL of an image service of our own, if none is configured and this machine can run one. */
async function addImageService(config: Config, logger: Logger, open: Open): Promise<Config> {
  const { sources, runner, dataDirectory } = config;
  if (sources.imsUrl !== undefined || runner.kind === 'none') return config;
  const tools = findImageTools();
  if (typeof tools === 'string') {
    logger.info({ why: tools }, 'there are no image sessions');
    return config;
  }
  const imageService = protectImageService(config.imageService, config.api.auth, dataDirectory);
  const { url } = await open(startImageService(imageService, logger));
  return { ...config, sources: { ...sources, ...toOwnImages(url, imageService) } };
}

async function main(): Promise<void> {
  const config = readConfig();
  const logger = createLogger('keelson', config.logLevel);
  await runService((signal) => {
    installRuntime(logger, config.metrics.temporal);
    return startEmbedded(config, logger, signal);
  }, logger);
}

if (isProgram(import.meta.url)) await main();
