import { exchangeJson, readMember, type JsonAnswer } from './http.js';
import type { TenantClient } from './interfaces.js';

export interface TenantOptions {
  /** Includes the version: `http://cray-tapms/v1alpha3`. */
  readonly url: string;
  /** How long an answer is cached; default 60. */
  readonly cacheSeconds?: number;
}

const TIMEOUT_SECONDS = 10;
const MAX_BYTES = 1024 * 1024;
/** Limits the cache, because callers can ask for any number of names that do not exist. */
const MOST_REMEMBERED = 1_000;
/** A Kubernetes name or a UUID. Other names are refused, because `..` would lead to another path. */
const TENANT = /^[a-z0-9]([-.a-z0-9]*[a-z0-9])?$/i;

export function createTenantClient({ url, cacheSeconds = 60 }: TenantOptions): TenantClient {
  const known = new Map<string, { readonly isKnown: boolean; readonly until: number }>();
  const ask = async (tenant: string, signal: AbortSignal): Promise<JsonAnswer | undefined> => {
    if (!TENANT.test(tenant)) return undefined;
    const answer = await exchangeJson(
      {
        url: `${url}/tenants/${encodeURIComponent(tenant)}`,
        service: 'The tenant service',
        reason: 'INTERNAL',
        timeoutSeconds: TIMEOUT_SECONDS,
        maxBytes: MAX_BYTES,
        alsoAccepted: [404],
      },
      signal,
    );
    return answer.status === 404 ? undefined : answer;
  };
  return {
    async knows(tenant, signal) {
      const remembered = known.get(tenant);
      if (remembered !== undefined && remembered.until > performance.now())
        return remembered.isKnown;
      const isKnown = (await ask(tenant, signal)) !== undefined;
      if (known.size >= MOST_REMEMBERED) known.clear();
      known.set(tenant, { isKnown, until: performance.now() + cacheSeconds * 1000 });
      return isKnown;
    },
    async findKeys(tenant, signal) {
      const body = (await ask(tenant, signal))?.body;
      const transit = readMember(body, 'status', 'tenantkms', 'transitname');
      if (typeof transit !== 'string' || transit === '') return undefined;
      const namespace = readMember(body, 'spec', 'tenantname');
      return { transit, namespace: typeof namespace === 'string' ? namespace : tenant };
    },
  };
}
