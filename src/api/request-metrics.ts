import type { Context, MiddlewareHandler } from 'hono';
import { matchedRoutes } from 'hono/route';
import type { ApiMetrics } from '../metrics/api-metrics.js';

const METHODS = new Set(['GET', 'HEAD', 'OPTIONS', 'POST', 'PUT', 'PATCH', 'DELETE']);

/** Labels never contain text of the caller, so that their number is bounded. */
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

/** The last matching route is the handler's; those that end with `*` are middleware. CFS's prefix is removed. */
function toRoute(c: Context): string {
  const path = matchedRoutes(c).findLast((route) => !route.path.endsWith('*'))?.path;
  return path?.replace(/^\/apis\/cfs(?=\/)/, '') ?? 'none';
}
