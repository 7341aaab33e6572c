import { open, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { computeMd5, toObjectName } from './bucket.js';
import type { Place } from './place.js';
import type { Arch, ImageRecord } from './records.js';

/** A file in the folder of the new image. */
export interface NewArtifact {
  readonly key: string;
  readonly type: string;
}

export interface NewImage {
  readonly id: string;
  readonly created: string;
  readonly name: string;
  readonly arch: Arch;
  /** On the same disk as the images, so that one rename adds all artifacts. */
  readonly folder: string;
  readonly artifacts: readonly NewArtifact[];
}

/**
 * Turns the folder into an image. The record is written last, so that a listed image is complete, even after a power failure.
 */
export async function publishImage(
  { images, bucket }: Place,
  { id, created, name, arch, folder, artifacts }: NewImage,
  signal?: AbortSignal,
): Promise<ImageRecord> {
  const entries = [];
  for (const { key, type } of artifacts) {
    const file = join(folder, key);
    const [md5] = await Promise.all([computeMd5(file, signal), flush(file)]);
    entries.push({ type, md5, link: { type: 's3', etag: md5, path: toObjectName(id, key) } });
  }
  const manifest = join(folder, 'manifest.json');
  const content = { version: '1.0', created: created.replace('T', ' '), artifacts: entries };
  await writeFile(manifest, `${JSON.stringify(content, undefined, 2)}\n`, { flush: true });
  const etag = await computeMd5(manifest);
  signal?.throwIfAborted();
  await rename(folder, join(bucket.directory, id));
  const link = { type: 's3', path: toObjectName(id, 'manifest.json'), etag } as const;
  const image = { id, created, name, arch, metadata: {}, link };
  await images.save(image);
  return image;
}

async function flush(file: string): Promise<void> {
  const handle = await open(file, 'r+');
  await handle.sync();
  await handle.close();
}
