import { randomUUID } from 'node:crypto';
import { copyFile, mkdir, open, rm } from 'node:fs/promises';
import { constants } from 'node:fs';
import { join } from 'node:path';
import { namePreparation } from '../runner/leftovers.js';
import { INITRD, KERNEL, ROOTFS } from './bucket.js';
import type { Place } from './place.js';
import { publishImage, type NewArtifact } from './publish.js';
import { createClock, type Arch } from './records.js';

const SQUASHFS_MAGIC = 'hsqs';

export interface ImageFiles {
  readonly name: string;
  readonly arch: Arch;
  readonly rootfs: string;
  readonly kernel?: string;
  readonly initrd?: string;
}

/** Copies the files in, makes a record and returns the id of the new image. The service may run meanwhile. */
export async function importImage(place: Place, files: ImageFiles): Promise<string> {
  await checkSquashfs(files.rootfs);
  const id = randomUUID();
  const folder = join(place.bucket.directory, namePreparation());
  await mkdir(folder, { mode: 0o700 });
  try {
    const artifacts = await copyFiles(files, folder);
    const { name, arch } = files;
    const created = createClock()();
    const image = { id, created, name, arch, folder, artifacts };
    return (await publishImage(place, image)).id;
  } catch (error) {
    // If only the record could not be written, as on a full disk, the folder already has the name of the image.
    for (const made of [folder, join(place.bucket.directory, id)])
      await rm(made, { recursive: true, force: true });
    throw error;
  }
}

async function copyFiles(files: ImageFiles, folder: string): Promise<readonly NewArtifact[]> {
  const kinds = [
    { key: 'rootfs', type: ROOTFS, from: files.rootfs },
    { key: 'kernel', type: KERNEL, from: files.kernel },
    { key: 'initrd', type: INITRD, from: files.initrd },
  ];
  const artifacts: NewArtifact[] = [];
  for (const { key, type, from } of kinds) {
    if (from === undefined) continue;
    await copyFile(from, join(folder, key), constants.COPYFILE_FICLONE);
    artifacts.push({ key, type });
  }
  return artifacts;
}

async function checkSquashfs(file: string): Promise<void> {
  const handle = await open(file);
  try {
    const magic = Buffer.alloc(SQUASHFS_MAGIC.length);
    await handle.read(magic, 0, magic.length, 0);
    if (magic.toString('latin1') !== SQUASHFS_MAGIC)
      throw new Error(`${file} is not a squashfs file.`);
  } finally {
    await handle.close();
  }
}
