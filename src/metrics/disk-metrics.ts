import { Gauge, type Registry } from 'prom-client';
import type { DiskSpace } from '../process/disk-space.js';

/** Adds gauges for the disk of the data directory. If the disk cannot be read they have no value. */
export function addDiskMetrics(registry: Registry, read: () => Promise<DiskSpace>): void {
  const readOrNothing = () => read().catch(() => undefined);
  new Gauge({
    name: 'keelson_disk_used_ratio',
    help: 'How full the disk of the data directory is, 0 to 1; from 0.95 on no session is accepted.',
    registers: [registry],
    async collect() {
      const space = await readOrNothing();
      if (space === undefined) this.remove();
      else this.set(space.usedBytes / Math.max(1, space.usedBytes + space.availableBytes));
    },
  });
  new Gauge({
    name: 'keelson_disk_available_bytes',
    help: 'Bytes that are left on the disk of the data directory.',
    registers: [registry],
    async collect() {
      const space = await readOrNothing();
      if (space === undefined) this.remove();
      else this.set(space.availableBytes);
    },
  });
}
