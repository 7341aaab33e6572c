import type { Context, MiddlewareHandler } from 'hono';
import { matchedRoutes } from 'hono/route';
import type { ApiMetrics } from '../metrics/api-metrics.js';

const METHODS = new Set(['GET', 'HEAD', 'OPTIONS', 'POST', 'PUT', 'PATCH', 'DELETE']);

/** Labels are the service's own words, never a caller's. */
export function createRequestMetrics(metrics: ApiMetrics): MiddlewareHandler {
  return async (c, next) => {
    const begin = performance.now();
    await next();
    metrics.observeRequest({
      method: METHODS.has(c.req.method) ? c.req.method : 'other',
      route: toRoute(c),
      status: `${Math.floor(c.res.status / 100)}xx`,
      seconds: (performance.now() - begin) / 1000,
    });
  };
}

/** The route that matched last is the handler's own; those that end with `*` are not. CFS's prefix is left out. */
function toRoute(c: Context): string {
  const path = matchedRoutes(c).findLast((route) => !route.path.endsWith('*'))?.path;
  return path?.replace(/^\/apis\/cfs(?=\/)/, '') ?? 'none';
}
