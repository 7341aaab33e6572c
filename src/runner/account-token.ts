import { CoreV1Api, type KubeConfig } from '@kubernetes/client-node';
import { limitTime } from '../core/time-limit.js';
import { toKubernetesFault } from './kubernetes-faults.js';
import { until } from './kubernetes-api.js';

const REQUEST_MS = 30_000;
/** The shortest life that Kubernetes grants. The token is used at once, and only once. */
const LIFE_SECONDS = 600;
const ACCOUNT = 'default';

/** A token of a namespace's default service account. */
export type IssueToken = (namespace: string, signal: AbortSignal) => Promise<string>;

/**
 * Requests a token: newer clusters keep none in Secrets, and a right to read Secrets would cover those of a whole namespace.
 */
export function createTokenIssuer(config: KubeConfig): IssueToken {
  const core = config.makeApiClient(CoreV1Api);
  return async (namespace, signal) => {
    try {
      const { status } = await core.createNamespacedServiceAccountToken(
        { namespace, name: ACCOUNT, body: { spec: { expirationSeconds: LIFE_SECONDS } } },
        until(limitTime(REQUEST_MS, signal)),
      );
      return status?.token ?? '';
    } catch (error) {
      signal.throwIfAborted();
      throw toKubernetesFault(`make a token for ${ACCOUNT} of namespace ${namespace}`, error);
    }
  };
}
