import { lstat, readlink } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { isAbsent } from '../runner/files.js';

/** The most links that are followed, as in the kernel. */
const MAX_LINKS = 40;

/** Where a path of the image is outside. Links are followed as inside the image, so none leads out of the root. */
export async function resolveInRoot(root: string, path: string): Promise<string> {
  let inside = '/';
  let links = 0;
  const left = toNames(path);
  for (let name = left.shift(); name !== undefined; name = left.shift()) {
    if (name === '..') {
      inside = dirname(inside);
      continue;
    }
    const next = join(inside, name);
    const target = await readLink(join(root, next));
    if (target === undefined) {
      inside = next;
      continue;
    }
    links += 1;
    if (links > MAX_LINKS) throw new Error(`${path} has too many links in the image.`);
    if (target.startsWith('/')) inside = '/';
    left.unshift(...toNames(target));
  }
  return join(root, inside);
}

/** What is at this path. Links are not followed. */
export async function findKind(path: string): Promise<'file' | 'directory' | 'other' | undefined> {
  try {
    const found = await lstat(path);
    if (found.isFile()) return 'file';
    return found.isDirectory() ? 'directory' : 'other';
  } catch (error) {
    if (isAbsent(error)) return undefined;
    throw error;
  }
}

function toNames(path: string): string[] {
  return path.split('/').filter((name) => name !== '' && name !== '.');
}

/** Undefined if it is no link, or does not exist. */
async function readLink(path: string): Promise<string | undefined> {
  try {
    return await readlink(path);
  } catch (error) {
    if (isAbsent(error) || (error as NodeJS.ErrnoException).code === 'EINVAL') return undefined;
    throw error;
  }
}
