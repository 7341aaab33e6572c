import { copyFile, mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { removeTree } from '../runner/files.js';
import { BOOT_PARAMETERS, INITRD, KERNEL, ROOTFS } from './bucket.js';
import { removeFlags } from './flags.js';
import { toMark, type JobRecord } from './job-record.js';
import type { Place } from './place.js';
import { publishImage, type NewArtifact } from './publish.js';
import { returnResolver } from './resolver.js';
import { findKind, resolveInRoot } from './root-path.js';
import { packRoot } from './squashfs.js';
import type { ImageTools } from './tools.js';
import type { WorkPaths } from './work.js';

/** Makes an image from the root that the user has left. May be repeated, because the id of the image is fixed beforehand. */
export async function packageRoot(
  tools: ImageTools,
  { place, created }: { readonly place: Place; readonly created: string },
  job: JobRecord,
  work: WorkPaths,
  signal: AbortSignal,
): Promise<void> {
  if ((await place.images.find(job.resultId)) !== undefined) return;
  await removeTree(work.image);
  await removeResult(place, job);
  await removeFlags(work.root);
  await returnResolver(work.root, work.resolver);
  await mkdir(work.image, { mode: 0o700 });
  const file = join(work.image, 'rootfs');
  await packRoot(tools, { root: work.root, file }, { mark: toMark(job.id), signal });
  const artifacts = [{ key: 'rootfs', type: ROOTFS }, ...(await takeBootFiles(job, work))];
  const { resultId: id, archiveName: name, arch } = job;
  await publishImage(place, { id, created, name, arch, folder: work.image, artifacts }, signal);
}

/** Removes what exists of an image that was never announced. */
export async function removeResult({ images, bucket }: Place, job: JobRecord): Promise<void> {
  await images.remove(job.resultId);
  await removeTree(join(bucket.directory, job.resultId));
}

/** Copies kernel, initrd and boot parameters from the image's `/boot`, if they are there. */
async function takeBootFiles(job: JobRecord, work: WorkPaths): Promise<readonly NewArtifact[]> {
  const kinds = [
    { key: 'kernel', type: KERNEL, name: job.kernelFileName },
    { key: 'initrd', type: INITRD, name: job.initrdFileName },
    { key: 'boot_parameters', type: BOOT_PARAMETERS, name: job.kernelParametersFileName },
  ];
  const artifacts: NewArtifact[] = [];
  for (const { key, type, name } of kinds) {
    const file = await resolveInRoot(work.root, `/boot/${name}`);
    if ((await findKind(file)) !== 'file') continue;
    await copyFile(file, join(work.image, key));
    artifacts.push({ key, type });
  }
  return artifacts;
}
