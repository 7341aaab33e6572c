import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { makeDirectory, toDirectoryFailure } from '../process/directory.js';
import { lockDirectory } from '../process/directory-lock.js';
import type { Service } from '../process/run.js';
import { removeLeftovers } from '../runner/leftovers.js';
import { createBucket, type Bucket } from './bucket.js';
import type { JobRecord } from './job-record.js';
import {
  createRecords,
  prepareRecords,
  type ImageRecord,
  type KeyRecord,
  type Records,
} from './records.js';

/** Everything that the service stores, in one directory. */
export interface Place {
  readonly images: Records<ImageRecord>;
  readonly keys: Records<KeyRecord>;
  readonly jobs: Records<JobRecord>;
  readonly bucket: Bucket;
  /** Holds a directory for each job that is not over. */
  readonly work: string;
}

function createPlace(directory: string): Place {
  return {
    images: createRecords(join(directory, 'images')),
    keys: createRecords(join(directory, 'public-keys')),
    jobs: createRecords(join(directory, 'jobs')),
    bucket: createBucket(join(directory, 'boot-images')),
    work: join(directory, 'work'),
  };
}

/** Keeps other image services out of the directory. */
export async function holdPlace(directory: string): Promise<Service> {
  return refuseUnusable(directory, () => {
    makeDirectory(directory);
    return lockDirectory(directory, 'image service');
  });
}

/** Creates what is missing, and removes what a process that died left unfinished. */
export async function preparePlace(directory: string): Promise<Place> {
  const place = createPlace(directory);
  return refuseUnusable(directory, async () => {
    makeDirectory(directory);
    for (const kind of ['images', 'public-keys', 'jobs'])
      await prepareRecords(join(directory, kind));
    for (const folder of [place.bucket.directory, place.work])
      await mkdir(folder, { recursive: true, mode: 0o700 });
    // An import may take any time, so its folder is removed only if its process is gone.
    await removeLeftovers(place.bucket.directory, new AbortController().signal, Infinity);
    return place;
  });
}

async function refuseUnusable<T>(directory: string, act: () => Promise<T>): Promise<T> {
  try {
    return await act();
  } catch (error) {
    throw toDirectoryFailure('IMAGE_SERVICE_DIRECTORY', directory, error);
  }
}
