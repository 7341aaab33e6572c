import { randomBytes } from 'node:crypto';
import { CoreV1Api, KubeConfig } from '@kubernetes/client-node';
import { describe } from '@jest/globals';
import { pino } from 'pino';
import {
  createKubernetesRunner,
  type KubernetesRunner,
  type KubernetesRunnerOptions,
} from '../../src/runner/kubernetes.js';
import { parsePodSettings, type PodSettings } from '../../src/runner/pod-settings.js';
import { findJobProcesses } from '../../src/runner/process-tree.js';
import type { RunnerHarness } from '../contract/runner-jobs.js';
import { waitFor } from '../support/wait.js';

/** As `scripts/job-image.mjs` names it; the cluster has been given it. */
export const IMAGE = process.env['KEELSON_JOB_IMAGE'] ?? 'localhost/keelson-job:test';

/** A suite for the cluster that KUBECONFIG names. It may be somebody's, so it is only used where that is said. */
export const describeCluster = process.env['REQUIRE_CLUSTER'] === '1' ? describe : describe.skip;

export interface KubernetesHarness extends RunnerHarness {
  readonly runner: KubernetesRunner;
  readonly config: KubeConfig;
  readonly core: CoreV1Api;
  readonly namespace: string;
  /** The node's address: where pods reach this machine. */
  readonly hostAddress: string;
}

export interface HarnessOptions extends Partial<Omit<KubernetesRunnerOptions, 'settings'>> {
  /** YAML, beside the image. */
  readonly settings?: string;
  readonly image?: string;
}

/** A namespace of its own, which goes with everything in it. */
export async function createKubernetesHarness({
  settings = '',
  image = IMAGE,
  ...given
}: HarnessOptions = {}): Promise<KubernetesHarness> {
  const config = loadConfig();
  const core = config.makeApiClient(CoreV1Api);
  const namespace = given.namespace ?? (await createNamespace(core));
  const runner = createKubernetesRunner({
    config,
    namespace,
    deploymentId: 'test',
    gitProtocols: 'http',
    jobSource: process.cwd(),
    jobTtlSeconds: 3600,
    logger: pino({ level: process.env['LOG_LEVEL'] ?? 'silent' }),
    ...given,
    settings: toSettings(settings, image),
  });
  return {
    runner,
    config,
    core,
    namespace,
    hostAddress: await findHostAddress(core),
    keptOutputBytes: 4 * 1024 * 1024,
    // The node is this machine.
    countProcesses: async (jobId) => (await findJobProcesses(jobId)).length,
    async close() {
      runner.close();
      if (given.namespace === undefined) await core.deleteNamespace({ name: namespace });
    },
  };
}

export function loadConfig(): KubeConfig {
  const config = new KubeConfig();
  config.loadFromDefault();
  return config;
}

/** What lets jobs run on the cluster of a test, and this; one that names resources replaces all of them. */
export function toSettings(text = '', image = IMAGE): PodSettings {
  const resources = text.includes('resources:') ? '' : 'resources: { ansible: {} }';
  return parsePodSettings(
    `image: ${image}\nimagePullPolicy: Never\ndnsPolicy: Default\n${resources}\n${text}`,
  );
}

export async function createNamespace(core: CoreV1Api): Promise<string> {
  const name = `keelson-test-${randomBytes(3).toString('hex')}`;
  await core.createNamespace({ body: { metadata: { name } } });
  await waitFor(() => core.readNamespacedServiceAccount({ namespace: name, name: 'default' }), {
    what: 'the default service account',
  });
  return name;
}

/** The node's: where pods reach this machine. */
export async function findHostAddress(core: CoreV1Api): Promise<string> {
  const { items } = await core.listNode();
  const addresses = items[0]?.status?.addresses ?? [];
  return addresses.find(({ type }) => type === 'InternalIP')?.address ?? '127.0.0.1';
}
