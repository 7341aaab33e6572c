import type { PinnedRepository } from './configuration.js';
import { expandHost } from './host-range.js';
import type { RenderedInventory } from './inventory.js';
import type { Session } from './session.js';
import { isLike } from './wildcard.js';

type Members = RenderedInventory['groups'];

/** A name or a wildcard, with a sign or without. The hosts of all else, such as `x[1:3]` and `~x.*`, only Ansible can tell. */
const WORD = /^[!&]?[\w.*?-]+$/;
const WILDCARD = /[*?]/;
const ADDRESS = /^ *[\da-fA-F.]*(?::[\da-fA-F.]*){2,} *$/;

/**
 * What a session must have for itself before it runs: at least every host that its playbooks may reach, and some more where only
 * Ansible could tell. An inventory that comes from a repository is known when the job has cloned it, so such a session locks
 * the repository. Hosts that an additional inventory adds to others are not known either, and not locked.
 */
export function listLockedHosts(
  { request, snapshot }: Pick<Session, 'request' | 'snapshot'>,
  inventory: RenderedInventory | undefined,
): readonly string[] {
  // An image is a host of this session alone.
  if (request.target.definition === 'image') return [];
  if (inventory === undefined) return lockRepository(snapshot?.additionalInventory);
  const groups = toAnsibleGroups(inventory.groups);
  const isPartOnly = snapshot?.additionalInventory !== undefined;
  return [...selectHosts(groups, request.ansibleLimit ?? '', isPartOnly)];
}

/** With the groups that every inventory has for Ansible, and for each name the hosts that it stands for. */
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
 * The hosts of a limit, which is a pattern of Ansible: at least those that Ansible would take. What narrows it by `&` is left
 * out, as an additional inventory may put more hosts into a group.
 */
function selectHosts(groups: Members, limit: string, isPartOnly: boolean): ReadonlySet<string> {
  // What is in no inventory reaches nobody, unless a playbook adds a host of that name.
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
    // Of a group and a host of one name Ansible leaves out the group alone.
    for (const host of groups.get(word) ?? findHosts(groups, all, word) ?? [])
      selected.delete(host);
  return selected;
}

/** Where there is a comma, Ansible splits at nothing else, and else not within an address of IPv6. */
function splitLimit(limit: string): readonly string[] {
  if (ADDRESS.test(limit)) return [limit];
  const parts = limit.split(limit.includes(',') ? ',' : ':');
  return parts.map((part) => part.replace(/^ +| +$/g, '')).filter((part) => part !== '');
}

/** Undefined: a word that this inventory does not know; it may be a group of the additional inventory, or an error. */
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
