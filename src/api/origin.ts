import type { MiddlewareHandler } from 'hono';
import { ServiceError } from '../core/errors.js';

const LOOPBACK = /^(?:localhost|127\.\d+\.\d+\.\d+|\[::1\])$/;
const READING = new Set(['GET', 'HEAD', 'OPTIONS']);

/**
 * Lets pages of other addresses only read. Without tokens, a page of any site could otherwise make a browser on this machine
 * run playbooks. Browsers send Origin with every POST; other programs do not. Unless `anyName`, the page's address must be a
 * loopback one, because any site can point a name of its own at this address.
 */
export function refuseForeignPages(anyName = false): MiddlewareHandler {
  return async (c, next) => {
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

function isOwn(origin: string, requestUrl: string, anyName: boolean): boolean {
  if (!URL.canParse(origin)) return false;
  const { host, hostname } = new URL(origin);
  return host === new URL(requestUrl).host && (anyName || LOOPBACK.test(hostname));
}
