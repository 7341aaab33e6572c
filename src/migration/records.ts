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

export function toOptionRecords(options: WireRecord): readonly OptionRecord[] {
  return Object.entries(options).map(([name, value]) => ({ name, value }));
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

/** The members that an API takes, sorted, so that equal records are equal text. */
export function strip(kind: Kind, record: WireRecord): WireRecord {
  const kept = Object.entries(record).filter(
    ([name, value]) => !TOLD[kind].includes(name) && value !== null && !isNothing(name, value),
  );
  const entries = kept.map(([name, value]) => [name, name === 'state' ? stripState(value) : value]);
  return sortMembers(Object.fromEntries(entries)) as WireRecord;
}

/** An additional inventory without members counts as none, and so does an error count of 0. */
function isNothing(name: string, value: unknown): boolean {
  if (name === 'error_count') return value === 0;
  return name === 'additional_inventory' && isRecord(value) && Object.keys(value).length === 0;
}

function stripState(state: unknown): unknown {
  if (!Array.isArray(state)) return state;
  return state.map((layer: unknown) => (isRecord(layer) ? omit(layer, 'last_updated') : layer));
}

export function omit(record: WireRecord, name: string): WireRecord {
  return Object.fromEntries(Object.entries(record).filter(([member]) => member !== name));
}

function sortMembers(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sortMembers);
  if (!isRecord(value)) return value;
  const names = Object.keys(value).sort();
  return Object.fromEntries(names.map((name) => [name, sortMembers(value[name])]));
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
