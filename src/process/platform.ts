import { fileURLToPath } from 'node:url';
import { KubeConfig } from '@kubernetes/client-node';
import type { Config } from '../config.js';
import type { KubernetesConfig } from '../config/runner.js';
import { toControlQueue, toMachineQueue, toPhaseQueue } from '../core/names.js';
import { createTokenIssuer, type IssueToken } from '../runner/account-token.js';
import { createKubernetesRunner } from '../runner/kubernetes.js';
import { createLocalRunner, type LocalRunner } from '../runner/local.js';
import type { Runner } from '../runner/runner.js';
import { readMachineId } from './keys.js';
import type { Logger } from './logger.js';
import { holdDataDirectory, prepareDataDirectory } from './data-directory.js';
import { findInterpreter } from './python.js';

/** Where jobs run, and who may touch them. */
export interface JobPlatform {
  readonly runner: Runner & Partial<Pick<LocalRunner, 'removeLeftovers'>> & { close(): void };
  /** Present where jobs live on the machine that launched them. */
  readonly machine?: string;
  /** Observers of phases have a queue of their own, so that nothing waits for their slots. */
  readonly phaseQueue: string;
  /** Present where only this machine can launch and stop its jobs. */
  readonly controlQueue?: string;
  readonly jobRetentionSeconds: number;
  /** Milliseconds since the watch was last known to hear everything; absent where files and processes are watched. */
  readonly watchAge?: () => number;
  /** Absent where there is no Kubernetes. */
  readonly issueToken?: IssueToken;
}

export interface PlatformOptions {
  readonly config: Config;
  readonly logger: Logger;
  readonly deploymentId: string;
  /** Where jobs reach the API. */
  readonly jobUrl: string;
  /** Instead of processes on this machine. */
  readonly runner?: LocalRunner;
}

const JOB_SOURCE = fileURLToPath(new URL('../..', import.meta.url));

export async function openPlatform(options: PlatformOptions): Promise<JobPlatform> {
  const { runner } = options.config;
  return runner.kubernetes === undefined
    ? openMachine(options)
    : openKubernetes(options, runner.kubernetes);
}

async function openMachine(options: PlatformOptions): Promise<JobPlatform> {
  const { dataDirectory, runner } = options.config;
  prepareDataDirectory(dataDirectory);
  const machine = readMachineId(dataDirectory);
  const hold = await holdDataDirectory(dataDirectory);
  const jobs = options.runner ?? (await createRunner(options));
  return {
    runner: {
      ...jobs,
      close() {
        jobs.close();
        hold.close();
      },
    },
    machine,
    phaseQueue: toMachineQueue(machine),
    controlQueue: toControlQueue(machine),
    jobRetentionSeconds: runner.jobRetentionSeconds,
  };
}

async function createRunner({ config, jobUrl }: PlatformOptions): Promise<LocalRunner> {
  const { runner, sources } = config;
  return createLocalRunner({
    ...runner,
    python: await findInterpreter(runner.python),
    jobSource: JOB_SOURCE,
    apiUrl: jobUrl,
    gitProtocols: sources.gitProtocols,
    secrets: { ...runner, ...sources },
  });
}

function openKubernetes(
  { config, logger, deploymentId, jobUrl }: PlatformOptions,
  { settings, namespace, kubeconfigFile, jobTtlSeconds }: KubernetesConfig,
): JobPlatform {
  const kubeconfig = loadKubeConfig(kubeconfigFile);
  const runner = createKubernetesRunner({
    config: kubeconfig,
    namespace: namespace ?? findNamespace(kubeconfig),
    deploymentId,
    settings,
    apiUrl: jobUrl,
    gitProtocols: config.sources.gitProtocols,
    jobSource: JOB_SOURCE,
    jobTtlSeconds,
    logger,
  });
  return {
    runner,
    watchAge: () => runner.watchAge(),
    issueToken: createTokenIssuer(kubeconfig),
    phaseQueue: toPhaseQueue(deploymentId),
    jobRetentionSeconds: jobTtlSeconds,
  };
}

function loadKubeConfig(file: string | undefined): KubeConfig {
  const config = new KubeConfig();
  try {
    if (file === undefined) config.loadFromDefault();
    else config.loadFromFile(file);
    return config;
  } catch (error) {
    // The lines that follow show the file, which holds tokens and keys.
    const [fact = ''] = (error as Error).message.split('\n');
    throw new Error(`KUBECONFIG: ${file ?? 'the default'}: ${fact}`);
  }
}

function findNamespace(config: KubeConfig): string {
  return config.getContextObject(config.getCurrentContext())?.namespace ?? 'default';
}
