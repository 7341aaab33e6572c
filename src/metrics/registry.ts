import { collectDefaultMetrics, Gauge, Registry } from 'prom-client';

/** One for each process: no name may be registered twice. With what Node tells of itself. */
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
