import type { TargetGroup } from './session.js';

/** What the hardware state manager, or a file that replaces it, knows. */
export interface HardwareState {
  readonly groups: readonly { readonly label: string; readonly members: readonly string[] }[];
  readonly partitions: readonly { readonly name: string; readonly members: readonly string[] }[];
  readonly components: readonly {
    readonly id: string;
    readonly role?: string;
    readonly subRole?: string;
  }[];
}

export interface RenderedInventory {
  /**
   * JSON, which is also YAML: Ansible tries JSON first and reads it many times faster. Indented,
   * because the last parser that Ansible tries takes a document of one line for the name of a host.
   */
  readonly text: string;
  /** The hosts of each group. Every host is in at least one. */
  readonly groups: ReadonlyMap<string, readonly string[]>;
  /** Number of hosts. */
  readonly hosts: number;
  readonly warnings: readonly string[];
}

type GroupKind = 'Group' | 'Partition' | 'Role';

const GROUP_NAME = /^[a-zA-Z_][a-zA-Z0-9_]+$/;
const PYTHON_KEYWORDS = new Set(
  (
    'False None True and as assert async await break class continue def del elif else except finally for from global ' +
    'if import in is lambda nonlocal not or pass raise return try while with yield'
  ).split(' '),
);

/**
 * One group for each HSM group, partition, `<Role>` and `<Role>_<SubRole>`. If names clash, a partition
 * replaces a group, and a role replaces both. Names that CFS does not accept are left out with a
 * warning. Roles are taken under any name except `all`, which would make Ansible refuse the whole inventory.
 */
export function renderDynamicInventory(state: HardwareState): RenderedInventory {
  const groups = new Map<string, readonly string[]>();
  const warnings: string[] = [];
  const add = (kind: GroupKind, name: string, members: readonly string[]) => {
    const obstacle = findObstacle(kind, name);
    if (obstacle !== undefined) {
      warnings.push(`${kind} "${name}" is left out: ${obstacle}.`);
      return;
    }
    if (groups.has(name)) warnings.push(`${kind} "${name}" replaces a group of the same name.`);
    groups.set(name, members);
  };
  for (const { label, members } of state.groups) add('Group', label, members);
  for (const { name, members } of state.partitions) add('Partition', name, members);
  for (const [name, members] of groupByRole(state.components)) add('Role', name, members);
  // Sorted, so that the order of the source does not matter.
  const sorted = new Map([...groups].sort(byName).map(([name, of]) => [name, [...of].sort()]));
  const children = Object.fromEntries(
    [...sorted].map(([name, members]) => [name, { hosts: toHosts(members) }]),
  );
  return toRendered({ all: { children } }, sorted, warnings);
}

/** The groups of the request, at the top level; groups of the same name are merged. */
export function renderSpecInventory(groups: readonly TargetGroup[]): RenderedInventory {
  const { document, members } = toSpecDocument(groups);
  return toRendered(toReadable(document), members, []);
}

/** The document, with groups of the same name merged, and the members of each group by its name. */
export function toSpecDocument(groups: readonly TargetGroup[]) {
  const merged = new Map<string, string[]>();
  for (const { name, members } of groups)
    merged.set(name, [...(merged.get(name) ?? []), ...members]);
  const document: Record<string, { hosts: Record<string, object> }> = Object.fromEntries(
    [...merged].sort(byName).map(([name, members]) => [name, { hosts: toHosts(members) }]),
  );
  return { document, members: merged };
}

/** Ansible reads no inventory from an empty document, nor from one with `plugin` at the top level, meant for a plugin. */
export function toReadable(document: Readonly<Record<string, object>>): object {
  const { all, ...children } = document;
  if (Object.keys(document).length > 0 && !('plugin' in children)) return document;
  return { all: { ...all, children } };
}

function groupByRole(components: HardwareState['components']): Map<string, string[]> {
  const roles = new Map<string, string[]>();
  const add = (name: string, id: string) => {
    const members = roles.get(name);
    if (members === undefined) roles.set(name, [id]);
    else members.push(id);
  };
  for (const { id, role = '', subRole = '' } of components) {
    if (role !== '') add(role, id);
    if (subRole !== '') add(`${role}_${subRole}`, id);
  }
  return roles;
}

function findObstacle(kind: GroupKind, name: string): string | undefined {
  if (name === 'all') return 'Ansible has its own group of that name';
  if (kind === 'Role' || isGroupName(name)) return undefined;
  return 'a name needs at least two letters, digits or "_", must not begin with a digit, and must not be a Python keyword';
}

function isGroupName(name: string): boolean {
  return GROUP_NAME.test(name) && !PYTHON_KEYWORDS.has(name);
}

function toHosts(members: readonly string[]): Record<string, object> {
  return Object.fromEntries([...members].sort().map((member) => [member, {}]));
}

export function toRendered(
  document: object,
  groups: ReadonlyMap<string, readonly string[]>,
  warnings: readonly string[],
): RenderedInventory {
  return {
    text: `${JSON.stringify(document, null, 1)}\n`,
    groups,
    hosts: new Set([...groups.values()].flat()).size,
    warnings,
  };
}

function byName([left]: readonly [string, unknown], [right]: readonly [string, unknown]): number {
  return left < right ? -1 : 1;
}
