import type { PinnedRepository } from './configuration.js';
import { expandHost } from './host-range.js';
import type { RenderedInventory } from './inventory.js';
import type { Session } from './session.js';
import { isLike } from './wildcard.js';

type Members = RenderedInventory['groups'];

/** A name or a wildcard, with or without a sign. Only Ansible can resolve anything else, such as `x[1:3]` and `~x.*`. */
const WORD = /^[!&]?[\w.*?-]+$/;
const WILDCARD = /[*?]/;
const ADDRESS = /^ *[\da-fA-F.]*(?::[\da-fA-F.]*){2,} *$/;

/**
 * What a session must have to itself before it runs: at least every host that its playbooks may
 * reach, and some more where only Ansible could tell. If the inventory comes from a repository
 * alone, it is not known until the job has cloned it, so the session locks the repository. Hosts
 * that an additional inventory adds to another inventory are not known either; they are not locked.
 */
export function listLockedHosts(
  { request, snapshot }: Pick<Session, 'request' | 'snapshot'>,
  inventory: RenderedInventory | undefined,
): readonly string[] {
  // Images are hosts of this session alone.
  if (request.target.definition === 'image') return [];
  if (inventory === undefined) return lockRepository(snapshot?.additionalInventory);
  // The job leaves groups out of such a limit, so every word is at most one host, whoever knows it.
  if (request.limitNamesHosts === true) return splitLimit(request.ansibleLimit ?? '');
  const groups = toAnsibleGroups(inventory.groups);
  const isPartOnly = snapshot?.additionalInventory !== undefined;
  return [...selectHosts(groups, request.ansibleLimit ?? '', isPartOnly)];
}

/** Adds the groups that Ansible has in every inventory, and expands each name to the hosts that it stands for. */
function toAnsibleGroups(given: Members): Members {
  const groups = new Map([...given].map(([name, members]) => [name, members.flatMap(expandHost)]));
  const outside = [...(groups.get('all') ?? []), ...(groups.get('ungrouped') ?? [])];
  groups.delete('all');
  groups.delete('ungrouped');
  const grouped = new Set([...groups.values()].flat());
  return groups
    .set(
      'ungrouped',
      outside.filter((host) => !grouped.has(host)),
    )
    .set('all', [...grouped, ...outside]);
}

function lockRepository(repository: PinnedRepository | undefined): readonly string[] {
  return repository === undefined ? [] : [`inventory ${repository.url}`];
}

/**
 * The hosts of a limit, which is an Ansible pattern: at least those that Ansible would take. Parts
 * that narrow it (`&`) are ignored, because an additional inventory may put more hosts into a group.
 */
function selectHosts(groups: Members, limit: string, isPartOnly: boolean): ReadonlySet<string> {
  // An unknown word is a group of the additional inventory, if there is one, else at most a host that a playbook adds.
  const toUnknown = (word: string): readonly string[] => (isPartOnly ? [...all] : [word]);
  const all = new Set(groups.get('all'));
  const words = splitLimit(limit);
  if (!words.every((word) => WORD.test(word))) return all;
  const wanted = words.filter((word) => !/^[!&]/.test(word));
  const selected = new Set(
    wanted.length === 0
      ? all
      : wanted.flatMap((word) => findHosts(groups, all, word) ?? toUnknown(word)),
  );
  for (const word of words.filter((text) => text.startsWith('!')).map((text) => text.slice(1)))
    // If a group and a host have the same name, Ansible excludes only the group.
    for (const host of groups.get(word) ?? findHosts(groups, all, word) ?? [])
      selected.delete(host);
  return selected;
}

/** If there is a comma, Ansible splits only at commas. Otherwise it splits at colons, but not within an IPv6 address. */
function splitLimit(limit: string): readonly string[] {
  if (ADDRESS.test(limit)) return [limit];
  const parts = limit.split(limit.includes(',') ? ',' : ':');
  return parts.map((part) => part.replace(/^ +| +$/g, '')).filter((part) => part !== '');
}

/** Undefined if this inventory does not know the word: it may be a group of the additional inventory, or a mistake. */
function findHosts(
  groups: Members,
  all: ReadonlySet<string>,
  word: string,
): readonly string[] | undefined {
  if (WILDCARD.test(word)) return findByWildcard(groups, all, word);
  const members = groups.get(word) ?? [];
  if (all.has(word)) return [...members, word];
  return groups.has(word) ? members : undefined;
}

function findByWildcard(
  groups: Members,
  all: ReadonlySet<string>,
  word: string,
): readonly string[] | undefined {
  const found = [
    ...[...groups].flatMap(([name, members]) => (isLike(name, word) ? members : [])),
    ...[...all].filter((host) => isLike(host, word)),
  ];
  return found.length === 0 ? undefined : found;
}
