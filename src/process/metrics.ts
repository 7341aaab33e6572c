import { Hono } from 'hono';
import type { Registry } from 'prom-client';
import type { Address } from '../config/address.js';
import type { Variable } from '../config/variables.js';
import { readVersion } from './version.js';
import { addDiskMetrics } from '../metrics/disk-metrics.js';
import { createRegistry } from '../metrics/registry.js';
import { readDiskSpace } from './disk-space.js';
import { listenFor, type Listener } from './listen.js';
import type { Logger } from './logger.js';

/** The metrics that every process has; API and worker add their own. */
export function createProcessMetrics(dataDirectory: string): Registry {
  const registry = createRegistry(readVersion());
  addDiskMetrics(registry, () => readDiskSpace(dataDirectory));
  return registry;
}

/** Serves metrics at an address of their own, without authentication. `addRoutes` adds further routes there. */
export async function serveMetrics(
  registry: Registry,
  variable: Variable,
  address: Address,
  logger: Logger,
  addRoutes: (app: Hono) => void = () => undefined,
): Promise<Listener> {
  const app = new Hono();
  addRoutes(app);
  app.onError((error, c) => {
    logger.error({ err: error }, 'metrics could not be served');
    return c.text('The log of the service says why.\n', 500);
  });
  app.get('/metrics', async (c) =>
    c.body(await registry.metrics(), 200, { 'content-type': registry.contentType }),
  );
  const listener = await listenFor(variable, app, address);
  logger.info({ url: `${listener.url}/metrics` }, 'metrics are served');
  return listener;
}
