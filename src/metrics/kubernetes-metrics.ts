import { Gauge, type Registry } from 'prom-client';

/** Some thirty seconds are usual, for a quiet watch is begun again then; more means that nothing is heard of jobs. */
export function observeWatchAge(registry: Registry, ageMs: () => number): void {
  new Gauge({
    name: 'keelson_kubernetes_watch_age_seconds',
    help: 'Since when the watch of Kubernetes was last known to hear everything.',
    registers: [registry],
    collect() {
      this.set(ageMs() / 1000);
    },
  });
}
