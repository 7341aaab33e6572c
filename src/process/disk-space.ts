import { statfs } from 'node:fs/promises';

export interface DiskSpace {
  readonly usedBytes: number;
  /** Free for ordinary users; the system reserves some for root. */
  readonly availableBytes: number;
}

/** Reads the space of the file system that contains the directory. */
export async function readDiskSpace(directory: string): Promise<DiskSpace> {
  const { bsize, blocks, bfree, bavail } = await statfs(directory);
  return { usedBytes: (blocks - bfree) * bsize, availableBytes: bavail * bsize };
}
