import { collectDefaultMetrics, Gauge, Registry } from 'prom-client';

/** One registry per process, because no name may be registered twice. Includes the default metrics of Node. */
export function createRegistry(version: string): Registry {
  const registry = new Registry();
  collectDefaultMetrics({ register: registry });
  const info = new Gauge({
    name: 'keelson_build_info',
    help: 'Always 1; the version is its label.',
    labelNames: ['version'],
    registers: [registry],
  });
  info.set({ version }, 1);
  return registry;
}
