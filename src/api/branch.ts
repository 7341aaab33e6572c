import type { GitClient, OpenSource } from '../clients/interfaces.js';
import type { Configuration, RepositoryReference } from '../core/configuration.js';
import { invalid } from '../core/errors.js';
import { limitTime } from '../core/time-limit.js';

const AT_ONCE = 6;
const TIMEOUT_MS = 60_000;

export interface BranchAccess {
  readonly git: GitClient;
  readonly openSource: OpenSource;
}

/**
 * Sets the commit of every layer with a branch to the branch's current commit. Each branch is resolved once, several at the
 * same time. Every failure is `invalid`, as in CFS, and names the member.
 */
export async function resolveBranches(
  configuration: Configuration,
  access: BranchAccess,
  caller: AbortSignal,
): Promise<Configuration> {
  const branches = findBranches(configuration);
  // Otherwise each request would leave a timer behind.
  if (branches.size === 0) return configuration;
  const over = new AbortController();
  const signal = limitTime(TIMEOUT_MS, caller, over.signal);
  // If one branch cannot be resolved, the others are of no use.
  const commits = await resolveAll(branches, access, signal).finally(() => over.abort());
  const pin = <T extends RepositoryReference>(reference: T): T => {
    const commit = commits.get(toKey(reference));
    return commit === undefined ? reference : { ...reference, commit };
  };
  const { additionalInventory } = configuration;
  return {
    ...configuration,
    layers: configuration.layers.map(pin),
    ...(additionalInventory === undefined ? {} : { additionalInventory: pin(additionalInventory) }),
  };
}

/** Removes the branches, so that only the commits are left. */
export function dropBranches(configuration: Configuration): Configuration {
  const { additionalInventory } = configuration;
  return {
    ...configuration,
    layers: configuration.layers.map(withoutBranch),
    ...(additionalInventory === undefined
      ? {}
      : { additionalInventory: withoutBranch(additionalInventory) }),
  };
}

interface BranchUse {
  readonly member: string;
  readonly reference: RepositoryReference;
}

function findBranches({
  layers,
  additionalInventory,
}: Configuration): ReadonlyMap<string, BranchUse> {
  const uses = layers.map((reference, index): BranchUse => ({
    member: `layers.${index}.branch`,
    reference,
  }));
  if (additionalInventory !== undefined) {
    uses.push({ member: 'additional_inventory.branch', reference: additionalInventory });
  }
  return new Map(
    uses
      .filter(({ reference }) => reference.branch !== undefined)
      .map((use) => [toKey(use.reference), use]),
  );
}

async function resolveAll(
  uses: ReadonlyMap<string, BranchUse>,
  access: BranchAccess,
  signal: AbortSignal,
): Promise<ReadonlyMap<string, string>> {
  const commits = new Map<string, string>();
  const queue = uses.entries();
  const work = async () => {
    for (const [key, use] of queue) commits.set(key, await resolve(use, access, signal));
  };
  await Promise.all(Array.from({ length: AT_ONCE }, work));
  return commits;
}

async function resolve(
  { member, reference: { cloneUrl = '', source = '', branch = '' } }: BranchUse,
  { git, openSource }: BranchAccess,
  signal: AbortSignal,
): Promise<string> {
  try {
    if (source === '') return await git.resolve(cloneUrl, branch, signal);
    const { url, access } = await openSource(source, signal);
    return await git.resolve(url, branch, signal, access);
  } catch (error) {
    const text = error instanceof Error ? error.message : String(error);
    throw invalid(`${text} - '${member}'`, 'Error converting branch name to commit');
  }
}

function toKey({ cloneUrl, source, branch }: RepositoryReference): string {
  return JSON.stringify([cloneUrl, source, branch]);
}

function withoutBranch<T extends RepositoryReference>(reference: T): T {
  const copy: { branch?: string } = { ...reference };
  delete copy.branch;
  return copy as T;
}
