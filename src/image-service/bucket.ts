import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { readFile, rm, rmdir, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { z } from 'zod';
import { isAbsent } from '../runner/files.js';

const PREFIX = 's3://boot-images/';
const MAX_MANIFEST_BYTES = 1024 * 1024;

export const ROOTFS = 'application/vnd.cray.image.rootfs.squashfs';
export const KERNEL = 'application/vnd.cray.image.kernel';
export const INITRD = 'application/vnd.cray.image.initrd';
export const BOOT_PARAMETERS = 'application/vnd.cray.image.parameters.boot';

const manifest = z.object({
  version: z.literal('1.0'),
  artifacts: z.array(
    z.object({
      type: z.string().optional(),
      // Like IMS, which does not check it: what is no text counts as absent.
      md5: z.string().optional().catch(undefined),
      link: z.object({ type: z.literal('s3'), path: z.string().min(1) }),
    }),
  ),
});

export type Artifact = z.output<typeof manifest>['artifacts'][number];

export type ManifestReading =
  | { readonly kind: 'read'; readonly artifacts: readonly Artifact[] }
  | { readonly kind: 'absent' | 'large' | 'malformed'; readonly detail: string };

/** Files under the names of IMS's objects in S3: `s3://boot-images/<image id>/rootfs`. */
export interface Bucket {
  readonly directory: string;
  /** The file of an object. Undefined if there is none. */
  findFile(path: string): Promise<string | undefined>;
  readManifest(path: string): Promise<ManifestReading>;
  /** Removes the objects, and each of their folders that is then empty. */
  removeObjects(paths: readonly string[]): Promise<void>;
}

export function createBucket(directory: string): Bucket {
  const findFile = async (path: string) => {
    const file = toFile(directory, path);
    if (file === undefined) return undefined;
    return (await isFile(file)) ? file : undefined;
  };
  return {
    directory,
    findFile,

    async readManifest(path) {
      const file = await findFile(path);
      if (file === undefined) return { kind: 'absent', detail: `There is no object ${path}.` };
      if ((await stat(file)).size >= MAX_MANIFEST_BYTES)
        return { kind: 'large', detail: `The manifest ${path} has 1 MiB or more.` };
      return parseManifest(path, await readFile(file, 'utf8'));
    },

    async removeObjects(paths) {
      for (const path of paths) {
        const file = toFile(directory, path);
        if (file === undefined) continue;
        await rm(file, { force: true });
        if (dirname(file) !== directory) await rmdir(dirname(file)).catch(ignoreUsed);
      }
    },
  };
}

export function toObjectName(imageId: string, key: string): string {
  return `${PREFIX}${imageId}/${key}`;
}

export function isRootfs({ type }: Artifact): boolean {
  return type?.startsWith(ROOTFS) ?? false;
}

export async function computeMd5(file: string, signal?: AbortSignal): Promise<string> {
  const hash = createHash('md5');
  const chunks = createReadStream(file, { highWaterMark: 1024 * 1024, ...(signal && { signal }) });
  for await (const chunk of chunks) hash.update(chunk as Buffer);
  return hash.digest('hex');
}

/** Undefined for a name in another bucket, or one that leads out of this one. */
function toFile(directory: string, path: string): string | undefined {
  if (!path.startsWith(PREFIX) || path.includes('\0')) return undefined;
  const parts = path.slice(PREFIX.length).split('/');
  return parts.some((part) => ['', '.', '..'].includes(part))
    ? undefined
    : join(directory, ...parts);
}

function parseManifest(path: string, text: string): ManifestReading {
  let content: unknown;
  try {
    content = JSON.parse(text);
  } catch {
    return { kind: 'malformed', detail: `The manifest ${path} is not JSON.` };
  }
  const result = manifest.safeParse(content);
  if (result.success) return { kind: 'read', artifacts: result.data.artifacts };
  const [issue] = result.error.issues;
  const member = issue?.path.join('.') ?? '';
  return {
    kind: 'malformed',
    detail: `The manifest ${path} is not of version 1.0: ${member}: ${issue?.message ?? ''}.`,
  };
}

async function isFile(path: string): Promise<boolean> {
  try {
    return (await stat(path)).isFile();
  } catch (error) {
    if (isAbsent(error)) return false;
    throw error;
  }
}

function ignoreUsed(error: unknown): void {
  if (!['ENOTEMPTY', 'EEXIST', 'ENOENT'].includes((error as NodeJS.ErrnoException).code ?? ''))
    throw error;
}
