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

/** Named as in `scripts/job-image.mjs`. The cluster must already have it. */
export const IMAGE = process.env['KEELSON_JOB_IMAGE'] ?? 'localhost/keelson-job:test';

/** A suite for the cluster of KUBECONFIG, which may be in use, so it runs only if that is asked for. */
export const describeCluster = process.env['REQUIRE_CLUSTER'] === '1' ? describe : describe.skip;

export interface KubernetesHarness extends RunnerHarness {
  readonly runner: KubernetesRunner;
  readonly config: KubeConfig;
  readonly core: CoreV1Api;
  readonly namespace: string;
  /** The node's address, at which pods reach this machine. */
  readonly hostAddress: string;
}

export interface HarnessOptions extends Partial<Omit<KubernetesRunnerOptions, 'settings'>> {
  /** More settings, in YAML, besides the image. */
  readonly settings?: string;
  readonly image?: string;
}

/** Makes a namespace, which is removed with everything in it. */
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

/** The settings that jobs need on a test cluster, plus the given ones. Given resources replace the default ones. */
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

/** The address of the node, at which pods reach this machine. */
export async function findHostAddress(core: CoreV1Api): Promise<string> {
  const { items } = await core.listNode();
  const addresses = items[0]?.status?.addresses ?? [];
  return addresses.find(({ type }) => type === 'InternalIP')?.address ?? '127.0.0.1';
}
