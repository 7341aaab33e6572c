import { statfs } from 'node:fs/promises';

export interface DiskSpace {
  readonly usedBytes: number;
  /** For us; what the system keeps for root is not. */
  readonly availableBytes: number;
}

/** Of the file system that has this directory. */
export async function readDiskSpace(directory: string): Promise<DiskSpace> {
  const { bsize, blocks, bfree, bavail } = await statfs(directory);
  return { usedBytes: (blocks - bfree) * bsize, availableBytes: bavail * bsize };
}
