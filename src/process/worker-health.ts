import type { Hono } from 'hono';

/** A watch is begun again every thirty seconds, or after ten where it was broken off. */
const MAX_WATCH_AGE_MS = 60_000;

/**
 * For probes of a worker. Ready: it hears of its jobs. `watchAge` is in milliseconds, and absent where nothing is watched
 * over a network; null in the answer, where it has heard nothing yet.
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
