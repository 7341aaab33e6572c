import { exchangeJson } from './http.js';
import type { TenantClient } from './interfaces.js';

export interface TenantOptions {
  /** With its version: `http://cray-tapms/v1alpha3`. */
  readonly url: string;
  /** How long an answer is believed; default 60. */
  readonly cacheSeconds?: number;
}

const TIMEOUT_SECONDS = 10;
const MAX_BYTES = 1024 * 1024;
/** Names that were asked for may be anybody's inventions. */
const MOST_REMEMBERED = 1_000;

export function createTenantClient({ url, cacheSeconds = 60 }: TenantOptions): TenantClient {
  const known = new Map<string, { readonly isKnown: boolean; readonly until: number }>();
  return {
    async knows(tenant, signal) {
      const remembered = known.get(tenant);
      if (remembered !== undefined && remembered.until > performance.now())
        return remembered.isKnown;
      const { status } = await exchangeJson(
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
      if (known.size >= MOST_REMEMBERED) known.clear();
      const until = performance.now() + cacheSeconds * 1000;
      known.set(tenant, { isKnown: status !== 404, until });
      return status !== 404;
    },
  };
}
