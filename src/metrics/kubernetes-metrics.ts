import { Gauge, type Registry } from 'prom-client';

/** Up to about 30 s is normal, because a quiet watch is restarted then. More means that nothing is heard about jobs. */
export function observeWatchAge(registry: Registry, ageMs: () => number): void {
  new Gauge({
    name: 'keelson_kubernetes_watch_age_seconds',
    help: 'Seconds since the watch of Kubernetes was last known to hear everything.',
    registers: [registry],
    collect() {
      this.set(ageMs() / 1000);
    },
  });
}
