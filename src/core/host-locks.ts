import type { PinnedRepository } from './configuration.js';
import type { RenderedInventory } from './inventory.js';
import type { Session } from './session.js';

type Members = RenderedInventory['groups'];

/** Subscripts, regular expressions, files and addresses of IPv6: what only Ansible can tell the hosts of. */
const BEYOND_WORDS = /[[\]~@;\\]|::/;
const WILDCARD = /[*?]/;
/** Options of `ansible-playbook` that choose hosts anew. */
const CHOOSES_HOSTS = /(?:^|\s)["']?(?:-[a-zA-Z]*[li]|--lim|--inv)/;

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
  const isChosenAnew = CHOOSES_HOSTS.test(request.ansiblePassthrough ?? '');
  const limit = isChosenAnew ? '' : (request.ansibleLimit ?? '');
  return [...selectHosts(inventory.groups, limit, snapshot?.additionalInventory !== undefined)];
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
  const all = new Set([...groups.values()].flat());
  if (BEYOND_WORDS.test(limit)) return all;
  const words = limit
    .split(/[,:]/)
    .map((word) => word.trim())
    .filter((word) => word !== '' && !word.startsWith('&'));
  const wanted = words.filter((word) => !word.startsWith('!'));
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

/** Undefined: a word that this inventory does not know; it may be a group of the additional inventory, or an error. */
function findHosts(
  groups: Members,
  all: ReadonlySet<string>,
  word: string,
): readonly string[] | undefined {
  if (word === 'all' || word === '*') return [...all];
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
  const pattern = toPattern(word);
  const found = [
    ...[...groups].flatMap(([name, members]) => (pattern.test(name) ? members : [])),
    ...[...all].filter((host) => pattern.test(host)),
  ];
  return found.length === 0 ? undefined : found;
}

function toPattern(wildcard: string): RegExp {
  const parts = Array.from(wildcard, (character) => {
    if (character === '*') return '.*';
    return character === '?' ? '.' : character.replace(/[.+^${}()|/-]/, '\\$&');
  });
  return new RegExp(`^${parts.join('')}$`, 'us');
}
