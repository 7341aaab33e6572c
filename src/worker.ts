import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { NativeConnection, Worker, type WorkerOptions } from '@temporalio/worker';
import type { Hono } from 'hono';
import type { Registry } from 'prom-client';
import { createActivities, pickControls, pickObservers } from './activities/index.js';
import { createFaultTranslation } from './activities/failure.js';
import { toJobToken } from './api/job-token.js';
import { registerSearchAttributes } from './clients/temporal-setup.js';
import type { Config } from './config.js';
import { toUrl } from './config/address.js';
import type { TemporalConfig } from './config/temporal.js';
import { toTaskQueue } from './core/names.js';
import { omitUndefined } from './core/omit-undefined.js';
import { observeWatchAge } from './metrics/kubernetes-metrics.js';
import { observeStore } from './metrics/store-metrics.js';
import { createWorkerMetrics } from './metrics/worker-metrics.js';
import { makeDataDirectory } from './process/data-directory.js';
import { createDiskGuard } from './process/disk-guard.js';
import { readDiskSpace } from './process/disk-space.js';
import { createLogger, type Logger } from './process/logger.js';
import { followLoggingLevel } from './process/logging-level.js';
import { openMasterKey } from './process/master-key.js';
import { createProcessMetrics, serveMetrics } from './process/metrics.js';
import { openNotifying } from './process/notifying.js';
import { openOrchestrator } from './process/orchestrator.js';
import { openPlatform } from './process/platform.js';
import { startRetention } from './process/retention.js';
import { runWorkers } from './process/running-workers.js';
import { isProgram, readConfig, runService, type Service } from './process/run.js';
import { installRuntime } from './process/runtime.js';
import { followClock } from './process/shared-clock.js';
import { createGitSource, createSourceOpener } from './process/sources.js';
import { startSweeping } from './process/sweeping.js';
import { addWorkerHealth } from './process/worker-health.js';
import {
  createHardwareSource,
  createImageSource,
  createTenantOpener,
  logInventoryFault,
} from './process/worker-sources.js';
import type { LocalRunner } from './runner/local.js';
import { openStore } from './store/open.js';
import type { Store } from './store/store.js';

export interface WorkerDependencies {
  readonly config: Config;
  readonly store: Store;
  readonly logger: Logger;
  readonly registry: Registry;
  readonly temporalAddress: string;
  /** URL at which jobs reach the API. */
  readonly jobUrl: string;
  /** URL at which people reach the API, if known. */
  readonly publicUrl?: string;
  /** Whether this service started Temporal. Then it is the right one, whatever its file has lost. */
  readonly ownsTemporal?: boolean;
  /** Replaces the runner of local processes. */
  readonly runner?: LocalRunner;
}

export interface WorkerService extends Service {
  /** Milliseconds since the watch of Kubernetes was last known to hear everything. */
  readonly watchAge?: () => number;
}

const SHUTDOWN_GRACE = '2s';
const SHUTDOWN_FORCE = '20s';

/** Serves workflows and all activities on the shared queue, and on the queues of this machine those that touch its jobs. */
export async function startWorker(given: WorkerDependencies): Promise<WorkerService> {
  const { config, store, logger, registry, temporalAddress } = given;
  const connection = await connect(temporalAddress, config.temporal);
  const parts = await openParts(given);
  const { machine, clock, orchestrator, platform, notifying, hardware, images } = parts;
  const shared = { store, logger, now: clock.now, ...omitUndefined({ machine }) };
  // Before any worker polls: a workflow that starts then must find the jobs of this machine on its record.
  const retention = await startRetention({
    ...shared,
    runner: platform.runner,
    retentionSeconds: platform.jobRetentionSeconds,
  });
  if (platform.watchAge !== undefined) observeWatchAge(registry, platform.watchAge);
  const metrics = createWorkerMetrics(registry, {
    maxWatchedJobs: config.runner.maxWatchedJobs,
    activities: Object.keys(parts.activities),
  });
  const options = {
    ...toWorkerOptions(connection, config),
    interceptors: { activity: [createFaultTranslation(), metrics.interceptor] },
  };
  const workers = await createWorkers(options, parts);
  if (given.ownsTemporal === true) {
    await store.sweep.rebindTemporal(await orchestrator.namespaceId());
    // After a power failure the dev server may lack its last moments, which the records still have.
    await store.sweep.tellAgain();
  }
  const sweeping = await startSweeping({
    ...{ ...shared, orchestrator, hardware },
    ...omitUndefined({ images, handOver: notifying.handOver }),
    intervalSeconds: config.sweepSeconds,
    observer: metrics.sweep,
    requireRoom: createDiskGuard({ directory: config.dataDirectory, logger, read: readDiskSpace }),
    worker: { ...options, ...locateWorkflows() },
  });
  workers.push(sweeping.worker, ...(await notifying.start(options)));
  const running = runWorkers(workers, logger);
  const unfollow = config.logLevel === undefined ? followLoggingLevel(store, logger) : undefined;
  logger.info({ ...omitUndefined({ machine }), temporal: temporalAddress }, 'worker started');
  if (config.sources.inventoryFile !== undefined) void logInventoryFault(hardware, logger);
  return {
    ended: running.ended,
    ...omitUndefined({ watchAge: platform.watchAge }),
    async close() {
      unfollow?.();
      await running.close();
      await sweeping.close();
      await notifying.close();
      await retention.close();
      await orchestrator.close();
      clock.close();
      platform.runner.close();
      await connection.close();
    },
  };
}

/** Connects and prepares the namespace. Errors name the variable that is wrong. */
async function connect(
  address: string,
  { namespace, tls }: TemporalConfig,
): Promise<NativeConnection> {
  const options = { address, tls: tls ?? false };
  const connection = await NativeConnection.connect(options).catch((cause: unknown) => {
    throw new Error(
      `TEMPORAL_ADDRESS: no Temporal answers at ${address}. Start it, or correct the address.`,
      { cause },
    );
  });
  await registerSearchAttributes(connection, namespace).catch((cause: unknown) => {
    const { message } = cause as Error;
    throw new Error(`TEMPORAL_NAMESPACE: ${namespace} cannot be used: ${message}`, { cause });
  });
  return connection;
}

type Parts = Awaited<ReturnType<typeof openParts>>;

/** Opens what activities, sweep and retention share, and creates the activities. */
async function openParts(given: WorkerDependencies) {
  const { config, store, logger, registry, temporalAddress, publicUrl } = given;
  const { sources, webhooksFile } = config;
  const deploymentId = await store.deploymentId();
  const platform = await openPlatform({ ...given, deploymentId });
  const { machine, phaseQueue, issueToken } = platform;
  const masterKey = await openMasterKey(config.masterKeyFile, store);
  const clock = await followClock(() => store.sweep.clock());
  const orchestrator = await openOrchestrator(temporalAddress, config.temporal, store);
  const shared = { store, logger, now: clock.now };
  const notifying = await openNotifying({
    ...{ ...shared, orchestrator, registry },
    ...omitUndefined({ webhooksFile, publicUrl }),
  });
  const hardware = createHardwareSource(sources);
  const images = createImageSource(sources, masterKey, deploymentId);
  const activities = createActivities({
    ...{ ...shared, runner: platform.runner, phaseQueue, hardware },
    git: createGitSource(sources),
    openSource: createSourceOpener(sources, store.sources, masterKey),
    toToken: (jobId) => toJobToken(masterKey, jobId),
    tellWaiting: orchestrator.tellWaiting,
    ...omitUndefined({ machine, images, openTenant: createTenantOpener(sources, issueToken) }),
  });
  const own = { deploymentId, machine, platform, clock, orchestrator, hardware, images };
  return { ...own, notifying, activities };
}

/** Creates one worker for each queue, except those of the sweep and of webhooks. */
function createWorkers(
  options: Partial<WorkerOptions>,
  { deploymentId, platform, activities, notifying }: Parts,
): Promise<Worker[]> {
  const { phaseQueue, controlQueue } = platform;
  const create = (taskQueue: string, more: Partial<WorkerOptions>) =>
    Worker.create({ ...options, ...more, taskQueue });
  return Promise.all([
    create(toTaskQueue(deploymentId), {
      ...locateWorkflows(),
      activities: { ...activities, ...notifying.activities },
    }),
    create(phaseQueue, { activities: pickObservers(activities) }),
    ...(controlQueue === undefined
      ? []
      : [create(controlQueue, { activities: pickControls(activities) })]),
  ]);
}

/** Each running session has one observer, which holds a slot for as long as its phase runs; other activities are short. */
function toWorkerOptions(connection: NativeConnection, { temporal, runner }: Config) {
  return {
    connection,
    namespace: temporal.namespace,
    maxCachedWorkflows: 200,
    maxConcurrentActivityTaskExecutions: runner.maxWatchedJobs,
    workflowTaskPollerBehavior: { type: 'autoscaling', minimum: 1, initial: 2, maximum: 10 },
    activityTaskPollerBehavior: { type: 'autoscaling', minimum: 1, initial: 2, maximum: 10 },
    shutdownGraceTime: SHUTDOWN_GRACE,
    shutdownForceTime: SHUTDOWN_FORCE,
  } as const satisfies Partial<WorkerOptions>;
}

/** The bundle made by the build, or else the source of the workflows. */
function locateWorkflows(): Pick<WorkerOptions, 'workflowBundle' | 'workflowsPath'> {
  const bundle = fileURLToPath(new URL('./workflow-bundle.js', import.meta.url));
  if (existsSync(bundle)) return { workflowBundle: { codePath: bundle } };
  return { workflowsPath: fileURLToPath(new URL('./workflows/index.js', import.meta.url)) };
}

async function main(): Promise<void> {
  const config = readConfig();
  const logger = createLogger('worker', config.logLevel);
  await runService(async (signal) => {
    if (config.runner.kind === 'none')
      throw new Error('RUNNER: with `none` there is nothing for a worker to do.');
    const { address } = config.temporal;
    if (address === undefined)
      throw new Error('TEMPORAL_ADDRESS: a worker of its own needs a Temporal service.');
    installRuntime(logger, config.metrics.temporal);
    const registry = createProcessMetrics(config.dataDirectory);
    if (config.database.kind === 'sqlite') makeDataDirectory(config.dataDirectory);
    const store = observeStore(await openStore(config.database, logger, signal), registry);
    const jobUrl = config.api.jobUrl ?? toUrl(config.api.jobListen ?? config.api.listen);
    const worker = await startWorker({
      ...{ config, store, logger, registry, temporalAddress: address, jobUrl },
      ...omitUndefined({ publicUrl: config.api.publicUrl }),
    });
    const { worker: metricsAddress } = config.metrics;
    const addHealth = (app: Hono) => addWorkerHealth(app, worker.watchAge);
    const metrics =
      metricsAddress &&
      (await serveMetrics(registry, 'WORKER_METRICS_LISTEN', metricsAddress, logger, addHealth));
    return {
      ...worker,
      async close() {
        await metrics?.close();
        await worker.close();
        await store.close();
      },
    };
  }, logger);
}

if (isProgram(import.meta.url)) await main();
