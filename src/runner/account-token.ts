import { CoreV1Api, type KubeConfig } from '@kubernetes/client-node';
import { toKubernetesFault } from './kubernetes-faults.js';
import { until } from './kubernetes-api.js';

const REQUEST_MS = 30_000;
/** The least that Kubernetes gives; it is shown once, a moment later. */
const LIFE_SECONDS = 600;
const ACCOUNT = 'default';

/** A token of a namespace's default service account. */
export type IssueToken = (namespace: string, signal: AbortSignal) => Promise<string>;

/** Asked for, not read from a Secret: newer clusters have none, and whoever may read one reads all of a namespace. */
export function createTokenIssuer(config: KubeConfig): IssueToken {
  const core = config.makeApiClient(CoreV1Api);
  return async (namespace, signal) => {
    try {
      const { status } = await core.createNamespacedServiceAccountToken(
        { namespace, name: ACCOUNT, body: { spec: { expirationSeconds: LIFE_SECONDS } } },
        until(AbortSignal.any([signal, AbortSignal.timeout(REQUEST_MS)])),
      );
      return status?.token ?? '';
    } catch (error) {
      signal.throwIfAborted();
      throw toKubernetesFault(`make a token for ${ACCOUNT} of namespace ${namespace}`, error);
    }
  };
}
