import { EXTENSION_OPTION_NAMES } from '../api/wire/options.js';

/** What is moved, in an order in which each kind comes after those that it names. Sessions stay where they ran. */
export const KINDS = ['sources', 'options', 'configurations', 'components'] as const;
export type Kind = (typeof KINDS)[number];

/** A record as the v3 API shows it. */
export type WireRecord = Readonly<Record<string, unknown>>;

/** One option as a record. */
export interface OptionRecord extends WireRecord {
  readonly name: string;
  readonly value: unknown;
}

/** An option that is null is not set. */
export function toOptionRecords(options: WireRecord): readonly OptionRecord[] {
  return Object.entries(options)
    .filter(([, value]) => value !== null)
    .map(([name, value]) => ({ name, value }));
}

/** Extension options stay where they are, because no CFS knows them and they only matter to their own deployment. */
export function isMoved(kind: Kind, { name }: WireRecord): boolean {
  return kind !== 'options' || !EXTENSION_OPTION_NAMES.includes(String(name));
}

export function fromOptionRecords(records: readonly WireRecord[]): WireRecord {
  return Object.fromEntries(records.map(({ name, value }) => [String(name), value]));
}

/** Members that an API shows but does not take. */
const TOLD: Readonly<Record<Kind, readonly string[]>> = {
  sources: ['last_updated'],
  options: [],
  configurations: ['last_updated'],
  components: ['configuration_status', 'desired_state', 'logs'],
};

/** The name of a record; undefined if it has none. */
export function toKey(kind: Kind, record: WireRecord): string | undefined {
  const key = record[kind === 'components' ? 'id' : 'name'];
  return typeof key === 'string' && key !== '' ? key : undefined;
}

/** Encoded twice, because the API decodes names of sources, which are often URLs, twice. */
export function toSourcePath(name: unknown): string {
  return `/v3/sources/${encodeURIComponent(encodeURIComponent(String(name)))}`;
}

/** The members that an API takes, sorted and without nulls, so that equal records are equal text. */
export function strip(kind: Kind, record: WireRecord): WireRecord {
  const kept = Object.entries(record).filter(([name]) => !TOLD[kind].includes(name));
  const members = Object.fromEntries(kept);
  const told =
    kind === 'components' ? { ...members, state: stripState(members['state'] ?? []) } : members;
  return tidy(told) as WireRecord;
}

/** A layer of which nobody has said how it went counts as applied. */
function stripState(state: unknown): unknown {
  if (!Array.isArray(state)) return state;
  return state.map((layer: unknown) =>
    isRecord(layer)
      ? { ...omit(layer, 'last_updated'), status: layer['status'] ?? 'applied' }
      : layer,
  );
}

export function omit(record: WireRecord, name: string): WireRecord {
  return Object.fromEntries(Object.entries(record).filter(([member]) => member !== name));
}

function tidy(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(tidy);
  if (!isRecord(value)) return value;
  const entries = Object.keys(value)
    .sort()
    .map((name) => [name, tidy(value[name])] as const);
  return Object.fromEntries(entries.filter(([name, member]) => !isNothing(name, member)));
}

/** Members whose absence means the same as being empty. A PATCH, such as a report, makes tags of none empty ones. */
const OFTEN_EMPTY: readonly string[] = ['additional_inventory', 'special_parameters', 'tags'];

function isNothing(name: string, value: unknown): boolean {
  if (value === null) return true;
  if (name === 'error_count') return value === 0;
  return OFTEN_EMPTY.includes(name) && isRecord(value) && Object.keys(value).length === 0;
}

export function isRecord(value: unknown): value is WireRecord {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

export interface Change {
  readonly member: string;
  readonly before: unknown;
  readonly after: unknown;
}

/** The members in which two stripped records differ. */
export function compare(before: WireRecord, after: WireRecord): readonly Change[] {
  const names = [...new Set([...Object.keys(before), ...Object.keys(after)])].sort();
  return names
    .filter((name) => toText(name, before[name]) !== toText(name, after[name]))
    .map((member) => ({ member, before: before[member], after: after[member] }));
}

/** The order of a state's layers means nothing, and no API restores the place of an `incomplete` one. */
function toText(name: string, value: unknown): string {
  if (name !== 'state' || !Array.isArray(value)) return JSON.stringify(value);
  return value
    .map((layer) => JSON.stringify(layer))
    .sort()
    .join();
}
