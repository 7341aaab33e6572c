import { isIP } from 'node:net';
import type { MiddlewareHandler } from 'hono';
import { ServiceError } from '../core/errors.js';

const LOOPBACK = /^(?:localhost|127\.\d+\.\d+\.\d+|\[::1\])$/;
const READING = new Set(['GET', 'HEAD', 'OPTIONS']);

interface OwnNames {
  /** Whether every name that leads here is ours. Default: only those that no site can point here, and that of `publicUrl`. */
  readonly anyName?: boolean;
  readonly publicUrl?: string;
}

/**
 * Keeps out pages of other addresses. Without tokens, a page of any site could otherwise make a browser on this machine run
 * playbooks. Browsers send Origin with every POST; other programs do not. Any site can also point a name of its own at this
 * address, and its page then even reads the answers. So the name must be ours, and a page that changes something must have a
 * loopback address unless `anyName`.
 */
export function refuseForeignPages({
  anyName = false,
  publicUrl,
}: OwnNames = {}): MiddlewareHandler {
  const publicName = publicUrl === undefined ? undefined : new URL(publicUrl).hostname;
  return async (c, next) => {
    const { hostname } = new URL(c.req.url);
    if (!anyName && hostname !== publicName && !isLocal(hostname)) {
      const advice = 'If it is, name it in PUBLIC_URL, or set AUTH_TOKENS_FILE or AUTH';
      throw new ServiceError(
        'forbidden',
        `${hostname} is not known as a name of this service. ${advice} - 'Host'`,
      );
    }
    const origin = c.req.header('origin');
    if (origin !== undefined && !READING.has(c.req.method) && !isOwn(origin, c.req.url, anyName)) {
      throw new ServiceError(
        'forbidden',
        `Pages of ${origin} may not change anything here - 'Origin'`,
      );
    }
    await next();
  };
}

/** An address, or a name without a domain: those that no site has. */
function isLocal(hostname: string): boolean {
  return !hostname.includes('.') || isIP(hostname) !== 0;
}

function isOwn(origin: string, requestUrl: string, anyName: boolean): boolean {
  if (!URL.canParse(origin)) return false;
  const { host, hostname } = new URL(origin);
  return host === new URL(requestUrl).host && (anyName || LOOPBACK.test(hostname));
}
