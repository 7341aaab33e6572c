import type { ServiceError } from '../core/errors.js';
import type { HardwareState } from '../core/inventory.js';
import { omitUndefined } from '../core/omit-undefined.js';

/** Path to a value in a document: `['groups', 3, 'members', 'ids', 0]`. */
export type DocumentPath = readonly (string | number)[];

/** Makes the error for a wrong value. The implementation adds the name of the document. */
export type Complaint = (path: DocumentPath, fact: string) => ServiceError;

/** Parses an array of `{label, members: {ids}}`, as HSM answers it. Other members are ignored. */
export function parseGroups(value: unknown, complain: Complaint): HardwareState['groups'] {
  return parseArray(value, ['groups'], complain, (entry, path) => ({
    label: requireText(entry['label'], [...path, 'label'], complain),
    members: parseMembers(entry['members'], [...path, 'members'], complain),
  }));
}

/** Like groups, but named by `name`. */
export function parsePartitions(value: unknown, complain: Complaint): HardwareState['partitions'] {
  return parseArray(value, ['partitions'], complain, (entry, path) => ({
    name: requireText(entry['name'], [...path, 'name'], complain),
    members: parseMembers(entry['members'], [...path, 'members'], complain),
  }));
}

/** Parses an array of `{ID, Role?, SubRole?}`. `base` is its path: HSM has it in `Components`. */
export function parseComponents(
  value: unknown,
  base: DocumentPath,
  complain: Complaint,
): HardwareState['components'] {
  return parseArray(value, base, complain, (entry, path) => {
    const role = parseText(entry['Role'], [...path, 'Role'], complain);
    const subRole = parseText(entry['SubRole'], [...path, 'SubRole'], complain);
    return {
      id: requireText(entry['ID'], [...path, 'ID'], complain),
      ...omitUndefined({ role, subRole }),
    };
  });
}

/** Renders a path as `groups[3].members.ids[0]`; the path of the whole document is empty. */
export function toPathText(path: DocumentPath): string {
  const text = path.map((key) => (typeof key === 'number' ? `[${key}]` : `.${key}`)).join('');
  return text.replace(/^\./, '');
}

export function requireObject(
  value: unknown,
  path: DocumentPath,
  complain: Complaint,
): Readonly<Record<string, unknown>> {
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    throw complain(path, `is ${describe(value)}, not an object`);
  return value as Readonly<Record<string, unknown>>;
}

type ParseEntry<T> = (entry: Readonly<Record<string, unknown>>, path: DocumentPath) => T;

function parseArray<T>(
  value: unknown,
  path: DocumentPath,
  complain: Complaint,
  parseEntry: ParseEntry<T>,
): readonly T[] {
  if (!Array.isArray(value)) throw complain(path, `is ${describe(value)}, not an array`);
  return value.map((entry: unknown, index) => {
    const place = [...path, index];
    return parseEntry(requireObject(entry, place, complain), place);
  });
}

function parseMembers(value: unknown, path: DocumentPath, complain: Complaint): readonly string[] {
  const { ids } = requireObject(value, path, complain);
  if (!Array.isArray(ids)) throw complain([...path, 'ids'], `is ${describe(ids)}, not an array`);
  return ids.map((id: unknown, index) => requireText(id, [...path, 'ids', index], complain));
}

function requireText(value: unknown, path: DocumentPath, complain: Complaint): string {
  const text = parseText(value, path, complain);
  if (text === undefined) throw complain(path, 'is missing');
  if (text === '') throw complain(path, 'is empty');
  return text;
}

function parseText(value: unknown, path: DocumentPath, complain: Complaint): string | undefined {
  if (value !== undefined && typeof value !== 'string')
    throw complain(path, `is ${describe(value)}, not a string`);
  return value;
}

function describe(value: unknown): string {
  if (value === undefined) return 'missing';
  if (value === null) return 'null';
  if (Array.isArray(value)) return 'an array';
  return typeof value === 'object' ? 'an object' : `a ${typeof value}`;
}
