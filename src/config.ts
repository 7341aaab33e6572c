import { join } from 'node:path';
import { parseApi, type ApiConfig } from './config/api.js';
import { parseDatabase, type DatabaseConfig } from './config/database.js';
import {
  createEnvironmentReader,
  type Environment,
  type EnvironmentReader,
} from './config/environment.js';
import { parseImageService, type ImageServiceConfig } from './config/image-service.js';
import { parseMetrics, type MetricsConfig } from './config/metrics.js';
import { parseRunner, type RunnerConfig } from './config/runner.js';
import { parseSources, type SourceConfig } from './config/sources.js';
import { parseTemporal, type TemporalConfig } from './config/temporal.js';
import { findTools } from './config/tools.js';
import { omitUndefined } from './core/omit-undefined.js';

/** Everything that environment variables decide. Parsed once; the process does not start unless all of it is valid. */
export interface Config {
  /** Holds the embedded database, jobs, keys and the file of the dev server. */
  readonly dataDirectory: string;
  readonly database: DatabaseConfig;
  readonly api: ApiConfig;
  readonly temporal: TemporalConfig;
  readonly runner: RunnerConfig;
  readonly sources: SourceConfig;
  readonly masterKeyFile: string;
  readonly sweepSeconds: number;
  /** YAML file that names the webhooks. Absent: there are none. */
  readonly webhooksFile?: string;
  readonly metrics: MetricsConfig;
  readonly imageService: ImageServiceConfig;
  /** Absent: the option `logging_level` decides. */
  readonly logLevel?: string;
}

/** Throws a plain Error that names the variable: while a process starts there is no caller to return a fault to. */
export function parseConfig(environment: Environment): Config {
  const read = createEnvironmentReader(environment);
  const tools = findTools(read, environment);
  const dataDirectory = read.text('KEELSON_DATA') ?? './data';
  const runner = parseRunner(read, tools, dataDirectory);
  return omitUndefined({
    dataDirectory,
    database: parseDatabase(read, dataDirectory),
    api: parseApi(read),
    temporal: parseTemporal(read, tools.temporal),
    runner,
    sources: parseSources(read),
    masterKeyFile: read.text('MASTER_KEY_FILE') ?? join(dataDirectory, 'master.key'),
    sweepSeconds: read.integer('SWEEP_INTERVAL', { fallback: 60, minimum: 1 }),
    webhooksFile: parseWebhooksFile(read, runner),
    metrics: parseMetrics(read),
    imageService: parseImageService(read, dataDirectory),
    logLevel: parseLogLevel(read),
  });
}

function parseWebhooksFile(read: EnvironmentReader, { kind }: RunnerConfig): string | undefined {
  const file = read.file('WEBHOOKS_FILE');
  if (file !== undefined && kind === 'none')
    throw new Error('WEBHOOKS_FILE: with RUNNER=none there is no worker that could call webhooks.');
  return file;
}

function parseLogLevel(read: EnvironmentReader): string | undefined {
  const level = read.text('LOG_LEVEL');
  if (level !== undefined && !['debug', 'info', 'warn', 'error'].includes(level))
    throw new Error(`LOG_LEVEL: "${level}" is not debug, info, warn or error.`);
  return level;
}
