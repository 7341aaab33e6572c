import type { PinnedRepository } from './configuration.js';
import { ServiceError } from './errors.js';
import type { WantedRepository } from './pin.js';

/** Reads sources and git servers. `Access` is what opening a source gives for its repository. */
export interface RepositoryReader<Access> {
  openSource(name: string): Promise<{ readonly url: string; readonly access: Access }>;
  /** Returns the commit of a branch; of the default branch if `branch` is empty. */
  resolve(url: string, branch: string, access?: Access): Promise<string>;
}

/**
 * A stored commit is used as it is. Without one, the branch, or else the default branch, is looked up now. A source is opened
 * even if the commit is known, so that unreadable credentials fail the session before anything is staged.
 */
export async function pinRepository<Access>(
  { reference, what }: WantedRepository,
  reader: RepositoryReader<Access>,
): Promise<PinnedRepository> {
  const { cloneUrl, source = '', commit, branch = '' } = reference;
  if (source !== '') {
    const { url, access } = await reader.openSource(source);
    return { url, source, commit: commit ?? (await reader.resolve(url, branch, access)) };
  }
  if (cloneUrl === undefined)
    throw new ServiceError('invalid', `${what} names neither a clone_url nor a source.`, {
      reason: 'GIT_CLONE',
    });
  return { url: cloneUrl, commit: commit ?? (await reader.resolve(cloneUrl, branch)) };
}
