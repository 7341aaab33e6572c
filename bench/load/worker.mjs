/** The worker, with jobs that are played; what `src/worker.ts` does as a program, but for them. BENCH_HOLDS=1: until SIGUSR2. */
import { parseConfig } from '#dist/config.js';
import { toUrl } from '#dist/config/address.js';
import { observeStore } from '#dist/metrics/store-metrics.js';
import { createLogger } from '#dist/process/logger.js';
import { createProcessMetrics } from '#dist/process/metrics.js';
import { runService } from '#dist/process/run.js';
import { installRuntime } from '#dist/process/runtime.js';
import { openStore } from '#dist/store/open.js';
import { startWorker } from '#dist/worker.js';
import { createStandInRunner } from './stand-in-runner.mjs';

const config = parseConfig(process.env);
const logger = createLogger('worker', config.logLevel);
await runService(async () => {
  installRuntime(logger, config.metrics.temporal);
  const registry = createProcessMetrics(config.dataDirectory);
  const store = observeStore(await openStore(config.database, logger), registry);
  const worker = await startWorker({
    ...{ config, store, logger, registry },
    temporalAddress: config.temporal.address ?? '',
    jobUrl: toUrl(config.api.listen),
    runner: createStandInRunner({ holds: process.env['BENCH_HOLDS'] === '1' }),
  });
  return {
    ...worker,
    async close() {
      await worker.close();
      await store.close();
    },
  };
}, logger);
