import { writeFileSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { startApi } from './api/server.js';
import { parseConfig, type Config } from './config.js';
import { startDevServer } from './process/dev-server.js';
import { createLogger, installRuntime, type Logger } from './process/logger.js';
import { isProgram, runService, type Service } from './process/run.js';
import { openSqliteStore } from './store/sqlite.js';
import { startWorker } from './worker.js';

/** API, worker and, unless TEMPORAL_ADDRESS names one, a Temporal dev server: the same code as apart, in one process. */
export async function startEmbedded(config: Config, logger: Logger): Promise<Service> {
  const opened: Service[] = [];
  const open = async <T extends Service>(service: Promise<T>): Promise<T> => {
    opened.unshift(await service);
    return service;
  };
  const close = async () => {
    for (const service of opened) {
      // One that cannot close must not leave the others open.
      await service
        .close()
        .catch((error: unknown) => logger.error({ err: error }, 'closing failed'));
    }
  };
  try {
    const server =
      config.temporal.address === undefined
        ? await open(startDevServer(config.temporal, config.dataDirectory, logger))
        : undefined;
    const temporalAddress = server?.address ?? config.temporal.address ?? '';
    const store = await open(openSqliteStore({ path: config.databasePath }));
    const shared = { config, store, logger, temporalAddress };
    const api = await open(
      startApi({ ...shared, ...(server === undefined ? {} : { uiUrl: server.uiUrl }) }),
    );
    const worker = await open(startWorker({ ...shared, jobUrl: api.jobUrl }));
    const file = join(config.dataDirectory, 'service.json');
    const service = {
      api: api.url,
      temporal: temporalAddress,
      temporalUi: server?.uiUrl ?? null,
      pid: process.pid,
    };
    writeFileSync(file, `${JSON.stringify(service)}\n`);
    opened.unshift({ close: () => rm(file, { force: true }) });
    logger.info(service, 'keelson is ready');
    return { close, ended: worker.ended ?? Promise.resolve() };
  } catch (error) {
    await close();
    throw error;
  }
}

async function main(): Promise<void> {
  const config = parseConfig(process.env);
  const logger = createLogger('keelson', config.logLevel);
  await runService(() => {
    installRuntime(logger);
    return startEmbedded(config, logger);
  }, logger);
}

if (isProgram(import.meta.url)) await main();
