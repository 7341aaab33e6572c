import { omitUndefined } from '../core/omit-undefined.js';
import { isRootfs, type Artifact, type Bucket, type ManifestReading } from './bucket.js';
import { refusal } from './problem.js';
import type { ImageRecord, Link } from './records.js';

type Unread = Exclude<ManifestReading, { kind: 'read' }>['kind'];

/** IMS's status for a manifest that cannot be read, when an image is linked to it and when a job needs it. */
const linkStatus: Record<Unread, 400 | 422> = { absent: 422, large: 400, malformed: 422 };
const jobStatus: Record<Unread, 400 | 422> = { absent: 422, large: 400, malformed: 400 };

/** Refuses a link that another image has, or whose manifest or artifacts are missing. Checks in the order in which IMS does. */
export async function checkLink(
  bucket: Bucket,
  images: readonly ImageRecord[],
  { path }: Link,
): Promise<void> {
  const owner = images.find((image) => image.link?.path === path);
  if (owner !== undefined) throw refusal(422, `The manifest ${path} is that of image ${owner.id}.`);
  const artifacts = await readArtifacts(bucket, path, linkStatus);
  for (const { link } of artifacts)
    if ((await bucket.findFile(link.path)) === undefined)
      throw refusal(422, `There is no object ${link.path}, which the manifest ${path} names.`);
  if (artifacts.some(({ type }) => type === undefined))
    throw refusal(422, `The manifest ${path} has an artifact without a type.`);
  findRootfs(artifacts, path);
}

/** The root of an image, and its checksum if the manifest has one. */
export interface Rootfs {
  readonly file: string;
  readonly md5?: string;
}

export async function locateRootfs(bucket: Bucket, image: ImageRecord): Promise<Rootfs> {
  if (image.link === undefined) throw refusal(400, `The image ${image.id} has no link.`);
  const { path } = image.link;
  const rootfs = findRootfs(await readArtifacts(bucket, path, jobStatus), path);
  const file = await bucket.findFile(rootfs.link.path);
  if (file === undefined)
    throw refusal(422, `There is no object ${rootfs.link.path}, the root of image ${image.id}.`);
  return { file, ...omitUndefined({ md5: rootfs.md5 }) };
}

async function readArtifacts(
  bucket: Bucket,
  path: string,
  toStatus: Record<Unread, 400 | 422>,
): Promise<readonly Artifact[]> {
  const reading = await bucket.readManifest(path);
  if (reading.kind === 'read') return reading.artifacts;
  throw refusal(toStatus[reading.kind], reading.detail);
}

function findRootfs(artifacts: readonly Artifact[], path: string): Artifact {
  const [rootfs, ...more] = artifacts.filter(isRootfs);
  if (rootfs === undefined) throw refusal(400, `The manifest ${path} has no root file system.`);
  if (more.length > 0)
    throw refusal(400, `The manifest ${path} has more than one root file system.`);
  return rootfs;
}
