import { ServiceError } from '../core/errors.js';
import type { DiskSpace } from './disk-space.js';
import type { Logger } from './logger.js';

const FULL_PERCENT = 95;
/** One reading serves all requests that come within this time. */
const READING_MS = 1000;

export interface DiskGuardOptions {
  /** A directory on the disk that is watched. */
  readonly directory: string;
  readonly logger: Pick<Logger, 'warn'>;
  readonly read: (directory: string) => Promise<DiskSpace>;
}

/**
 * Throws the fault `unavailable` while the disk is nearly full: new sessions would fill it, and running sessions need the rest
 * to finish. A disk that cannot be read counts as empty.
 */
export function createDiskGuard({
  directory,
  logger,
  read,
}: DiskGuardOptions): () => Promise<void> {
  let reading: Promise<number> | undefined;
  let readAt = -Infinity;
  const readPercent = async () => {
    try {
      const { usedBytes, availableBytes } = await read(directory);
      return (100 * usedBytes) / Math.max(1, usedBytes + availableBytes);
    } catch (error) {
      logger.warn({ err: error, directory }, 'the disk could not be read');
      return 0;
    }
  };
  return async () => {
    if (reading === undefined || performance.now() - readAt > READING_MS) {
      readAt = performance.now();
      reading = readPercent();
    }
    const percent = await reading;
    if (percent < FULL_PERCENT) return;
    throw new ServiceError(
      'unavailable',
      `The disk of the data directory ${directory} is ${Math.floor(percent)} % full; new sessions are accepted below ${FULL_PERCENT} %.`,
    );
  };
}
