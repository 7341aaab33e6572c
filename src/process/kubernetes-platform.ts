import { KubeConfig } from '@kubernetes/client-node';
import type { KubernetesConfig } from '../config/runner.js';
import { toPhaseQueue } from '../core/names.js';
import { omitUndefined } from '../core/omit-undefined.js';
import { createTokenIssuer } from '../runner/account-token.js';
import { createKubernetesRunner } from '../runner/kubernetes.js';
import { JOB_SOURCE, type JobPlatform, type PlatformOptions } from './job-platform.js';

/** Runs each job as a Kubernetes Job. Throws a readable sentence if the KUBECONFIG cannot be used. */
export function openKubernetes(
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
    ...omitUndefined({ gitProxy: config.sources.gitProxy }),
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
    // The following lines quote the file, which contains tokens and keys.
    const [fact = ''] = (error as Error).message.split('\n');
    throw new Error(`KUBECONFIG: ${file ?? 'the default'}: ${fact}`);
  }
}

function findNamespace(config: KubeConfig): string {
  return config.getContextObject(config.getCurrentContext())?.namespace ?? 'default';
}
