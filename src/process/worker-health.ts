import type { Hono } from 'hono';

/** A watch is started again every 30 s, or 10 s after it was broken off. */
const MAX_WATCH_AGE_MS = 60_000;

/**
 * Probes of a worker. It is ready while it hears about its jobs. `watchAge` is in milliseconds, and absent if nothing is
 * watched over a network. In the answer the age is null if nothing was heard yet.
 */
export function addWorkerHealth(app: Hono, watchAge?: () => number): void {
  app.get('/healthz/live', (c) => c.json({ status: 'ok' }));
  app.get('/healthz/ready', (c) => {
    if (watchAge === undefined) return c.json({ status: 'ok' });
    const age = watchAge();
    const seconds = Number.isFinite(age) ? age / 1000 : null;
    return age <= MAX_WATCH_AGE_MS
      ? c.json({ status: 'ok', kubernetes_watch_age_seconds: seconds })
      : c.json({ status: 'not_available', kubernetes_watch_age_seconds: seconds }, 503);
  });
}
