import { randomBytes } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import type { Registry } from 'prom-client';
import { createOrchestrator } from '../clients/temporal.js';
import type { Config } from '../config.js';
import type { ApiConfig } from '../config/api.js';
import { readVersion } from '../process/version.js';
import { toTaskQueue } from '../core/names.js';
import { omitUndefined } from '../core/omit-undefined.js';
import { addDispatchMetrics, createApiMetrics } from '../metrics/api-metrics.js';
import { addSessionMetrics } from '../metrics/session-metrics.js';
import { observeStore } from '../metrics/store-metrics.js';
import { makeDataDirectory } from '../process/data-directory.js';
import { createDiskGuard } from '../process/disk-guard.js';
import { readDiskSpace } from '../process/disk-space.js';
import { listenFor } from '../process/listen.js';
import { createLogger, type Logger } from '../process/logger.js';
import { followLoggingLevel } from '../process/logging-level.js';
import { openMasterKey } from '../process/master-key.js';
import { createProcessMetrics, serveMetrics } from '../process/metrics.js';
import { startRemoving } from '../process/removing.js';
import { isProgram, readConfig, runService, type Service } from '../process/run.js';
import { followClock } from '../process/shared-clock.js';
import { createGitSource, createSourceOpener, createTenantSource } from '../process/sources.js';
import { openStore } from '../store/open.js';
import type { Store } from '../store/store.js';
import { createApp, createJobApp } from './app.js';
import type { Auth } from './auth.js';
import { createDispatcher } from './dispatch.js';
import { createEventStreams, type EventStreams } from './event-stream.js';
import { createGate } from './gate.js';
import { openTokenFile } from './token-file.js';

const STREAM_END_MS = 1_000;
/** The metrics count all requests that the gate refuses under this route, whatever their version. */
const SESSIONS = '/v3/sessions';

export interface ApiService extends Service {
  readonly url: string;
  /** URL at which jobs reach the API. */
  readonly jobUrl: string;
}

export interface ApiServiceDependencies {
  readonly config: Config;
  readonly store: Store;
  readonly logger: Logger;
  readonly registry: Registry;
  /** Absent with RUNNER=none: this service starts no sessions. */
  readonly temporalAddress?: string;
  readonly uiUrl?: string;
}

/** Serves the API and starts the dispatch loop. */
export async function startApi(dependencies: ApiServiceDependencies): Promise<ApiService> {
  const { config, store, logger, registry, temporalAddress, uiUrl } = dependencies;
  const clock = await followClock(() => store.sweep.clock());
  const { now } = clock;
  const orchestrator =
    temporalAddress === undefined
      ? undefined
      : createOrchestrator({
          address: temporalAddress,
          namespace: config.temporal.namespace,
          tls: config.temporal.tls,
          taskQueue: toTaskQueue(await store.deploymentId()),
        });
  const { jobListen, jobUrl, publicUrl } = config.api;
  const metricsAddress = config.metrics.api;
  const streams = createEventStreams();
  const masterKey = await openMasterKey(config.masterKeyFile, store);
  const tenants = createTenantSource(config.sources);
  const shared = {
    store,
    git: createGitSource(config.sources),
    openSource: createSourceOpener(config.sources, store.sources, masterKey),
    ...omitUndefined({ tenants }),
    ...(orchestrator === undefined ? {} : { orchestrator, tellWaiting: orchestrator.tellWaiting }),
    logger,
    version: readVersion(),
    gitProtocols: config.sources.gitProtocols,
    masterKey,
    maxBodyBytes: config.api.maxBodyBytes,
    maxListBytes: config.api.maxListBytes,
    auth: readAuth(config.api, logger),
    now,
    newSuffix: () => randomBytes(4).toString('hex'),
    isExternal: config.runner.kind === 'none',
    customizesImages: config.sources.imsUrl !== undefined,
    serveJobs: jobListen === undefined,
    requireRoom: createDiskGuard({
      directory: config.dataDirectory,
      logger,
      read: readDiskSpace,
    }),
    streams,
    metrics: createApiMetrics(registry),
    ...(metricsAddress === undefined ? { registry } : {}),
    ...omitUndefined({ uiUrl, publicUrl }),
  };
  const gate = createGate((seconds) =>
    shared.metrics.observeRequest({ method: 'POST', route: SESSIONS, status: '4xx', seconds }),
  );
  const api = await listenFor('API_LISTEN', createApp(shared), config.api.listen, gate);
  const jobs = jobListen && (await listenFor('JOB_LISTEN', createJobApp(shared), jobListen));
  if (orchestrator === undefined) await warnOfWishes(store, logger);
  // Without a worker nothing would send notifications, and records are kept until theirs is sent.
  if (orchestrator === undefined) await store.notifications.turnOff();
  const removing = orchestrator === undefined ? startRemoving(store, logger) : undefined;
  const dispatcher = orchestrator && createDispatcher({ store, orchestrator, logger, now });
  dispatcher?.start();
  addSessionMetrics(registry, store, logger);
  if (dispatcher !== undefined) addDispatchMetrics(registry, () => dispatcher.health());
  const metrics =
    metricsAddress && (await serveMetrics(registry, 'METRICS_LISTEN', metricsAddress, logger));
  const unfollow = config.logLevel === undefined ? followLoggingLevel(store, logger) : undefined;
  logger.info({ url: api.url }, 'api started');
  return {
    url: api.url,
    jobUrl: jobUrl ?? jobs?.url ?? api.url,
    async close() {
      unfollow?.();
      await endStreams(streams);
      await Promise.all([api.close(), jobs?.close(), metrics?.close()]);
      await removing?.close();
      await dispatcher?.close();
      await orchestrator?.close();
      clock.close();
    },
  };
}

/** Lets clients that read see the end of their stream, but does not wait long for those that do not read. */
async function endStreams(streams: EventStreams): Promise<void> {
  await Promise.race([streams.close(), delay(STREAM_END_MS, undefined, { ref: false })]);
}

/** With RUNNER=none this service neither runs nor stops sessions that were created under another runner. */
async function warnOfWishes(store: Store, logger: Logger): Promise<void> {
  const waiting = await store.sessions.countWishes();
  if (waiting > 0) logger.warn({ waiting }, 'sessions wait that were created under another RUNNER');
}

function readAuth({ auth }: ApiConfig, logger: Logger): Auth {
  if (auth.kind === 'tokens') {
    const readTokens = openTokenFile(auth.file, ({ message: why }) =>
      logger.error({ why }, 'the tokens cannot be read; those that were read last stay valid'),
    );
    return {
      kind: 'tokens',
      get tokens() {
        return readTokens();
      },
    };
  }
  if (auth.kind === 'none') {
    logger.warn(
      'AUTH=none: everybody who reaches this address may run playbooks on the managed hosts',
    );
  }
  return { kind: 'open', anyName: auth.kind === 'none' };
}

async function main(): Promise<void> {
  const config = readConfig();
  const logger = createLogger('api', config.logLevel);
  await runService(async (signal) => {
    const address = config.runner.kind === 'none' ? undefined : config.temporal.address;
    if (address === undefined && config.runner.kind !== 'none')
      throw new Error('TEMPORAL_ADDRESS: an API in a separate process needs a Temporal service.');
    const registry = createProcessMetrics(config.dataDirectory);
    if (config.database.kind === 'sqlite') makeDataDirectory(config.dataDirectory);
    const store = observeStore(await openStore(config.database, logger, signal), registry);
    const temporal = address === undefined ? {} : { temporalAddress: address };
    const api = await startApi({ config, store, logger, registry, ...temporal });
    return {
      ...api,
      async close() {
        await api.close();
        await store.close();
      },
    };
  }, logger);
}

if (isProgram(import.meta.url)) await main();
