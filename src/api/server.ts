import { randomUUID } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import type { Registry } from 'prom-client';
import type { Orchestrator } from '../clients/interfaces.js';
import type { Config } from '../config.js';
import type { ApiConfig } from '../config/api.js';
import { omitUndefined } from '../core/omit-undefined.js';
import { addDispatchMetrics, createApiMetrics, type ApiMetrics } from '../metrics/api-metrics.js';
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
import { openOrchestrator } from '../process/orchestrator.js';
import { startRemoving } from '../process/removing.js';
import { isProgram, readConfig, runService, type Service } from '../process/run.js';
import { followClock } from '../process/shared-clock.js';
import { createGitSource, createSourceOpener, createTenantSource } from '../process/sources.js';
import { readVersion } from '../process/version.js';
import { openStore } from '../store/open.js';
import type { Store } from '../store/store.js';
import { createApp, createJobApp } from './app.js';
import type { Auth } from './auth.js';
import type { ApiDependencies } from './dependencies.js';
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
export async function startApi(given: ApiServiceDependencies): Promise<ApiService> {
  const { config, store, logger, registry, temporalAddress } = given;
  const { listen, jobListen, jobUrl } = config.api;
  const clock = await followClock(() => store.sweep.clock());
  const orchestrator =
    temporalAddress === undefined
      ? undefined
      : await openOrchestrator(temporalAddress, config.temporal, store);
  const streams = createEventStreams();
  const metrics = createApiMetrics(registry);
  const own = { now: clock.now, streams, metrics, ...omitUndefined({ orchestrator }) };
  const dependencies = await createDependencies(given, own);
  const gate = createGate((seconds) =>
    metrics.observeRequest({ method: 'POST', route: SESSIONS, status: '4xx', seconds }),
  );
  const api = await listenFor('API_LISTEN', createApp(dependencies), listen, gate);
  const jobs = jobListen && (await listenFor('JOB_LISTEN', createJobApp(dependencies), jobListen));
  addSessionMetrics(registry, store, logger);
  const work = await startWork(given, own);
  const served =
    config.metrics.api &&
    (await serveMetrics(registry, 'METRICS_LISTEN', config.metrics.api, logger));
  const unfollow = config.logLevel === undefined ? followLoggingLevel(store, logger) : undefined;
  logger.info({ url: api.url }, 'api started');
  return {
    url: api.url,
    jobUrl: jobUrl ?? jobs?.url ?? api.url,
    async close() {
      unfollow?.();
      await endStreams(streams);
      await Promise.all([api.close(), jobs?.close(), served?.close()]);
      await work.close();
      await orchestrator?.close();
      clock.close();
    },
  };
}

interface OwnParts {
  readonly now: () => string;
  readonly streams: EventStreams;
  readonly metrics: ApiMetrics;
  /** Absent with RUNNER=none. */
  readonly orchestrator?: Orchestrator;
}

async function createDependencies(
  { config, store, logger, registry, uiUrl }: ApiServiceDependencies,
  { orchestrator, ...own }: OwnParts,
): Promise<ApiDependencies> {
  const { api, sources, runner, dataDirectory } = config;
  const masterKey = await openMasterKey(config.masterKeyFile, store);
  return {
    ...own,
    store,
    logger,
    masterKey,
    git: createGitSource(sources),
    openSource: createSourceOpener(sources, store.sources, masterKey),
    version: readVersion(),
    gitProtocols: sources.gitProtocols,
    maxBodyBytes: api.maxBodyBytes,
    maxListBytes: api.maxListBytes,
    auth: readAuth(api, logger),
    newSuffix: () => randomUUID().slice(0, 8),
    isExternal: runner.kind === 'none',
    customizesImages: sources.imsUrl !== undefined,
    serveJobs: api.jobListen === undefined,
    requireRoom: createDiskGuard({ directory: dataDirectory, logger, read: readDiskSpace }),
    ...omitUndefined({
      tenants: createTenantSource(sources),
      orchestrator,
      tellWaiting: orchestrator?.tellWaiting,
      registry: config.metrics.api === undefined ? registry : undefined,
      uiUrl,
      publicUrl: api.publicUrl,
    }),
  };
}

/** Starts what the API does besides answering: it hands wishes to Temporal or, with RUNNER=none, removes old data. */
async function startWork(
  { store, logger, registry }: ApiServiceDependencies,
  { orchestrator, now }: OwnParts,
): Promise<{ close(): Promise<void> }> {
  if (orchestrator === undefined) {
    await warnOfWishes(store, logger);
    // Without a worker nothing would send notifications, and records are kept until theirs is sent.
    await store.notifications.turnOff();
    return startRemoving(store, logger);
  }
  const dispatcher = createDispatcher({ store, orchestrator, logger, now });
  dispatcher.start();
  addDispatchMetrics(registry, () => dispatcher.health());
  return dispatcher;
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
