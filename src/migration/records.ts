import { EXTENSION_OPTION_NAMES } from '../api/wire/options.js';

/** What moves, in an order in which each finds what it names. Sessions stay where they ran. */
export const KINDS = ['sources', 'options', 'configurations', 'components'] as const;
export type Kind = (typeof KINDS)[number];

/** As the v3 API shows it. */
export type WireRecord = Readonly<Record<string, unknown>>;

/** Options as records, each by itself. */
export interface OptionRecord extends WireRecord {
  readonly name: string;
  readonly value: unknown;
}

export function toOptionRecords(options: WireRecord): readonly OptionRecord[] {
  return Object.entries(options).map(([name, value]) => ({ name, value }));
}

/** No CFS knows our own options, and where they count is their own place: they stay where they are. */
export function isMoved(kind: Kind, { name }: WireRecord): boolean {
  return kind !== 'options' || !EXTENSION_OPTION_NAMES.includes(String(name));
}

export function fromOptionRecords(records: readonly WireRecord[]): WireRecord {
  return Object.fromEntries(records.map(({ name, value }) => [String(name), value]));
}

/** What an API only tells, and refuses to be told. */
const TOLD: Readonly<Record<Kind, readonly string[]>> = {
  sources: ['last_updated'],
  options: [],
  configurations: ['last_updated'],
  components: ['configuration_status', 'desired_state', 'logs'],
};

/** The name of a record; undefined: it has none. */
export function toKey(kind: Kind, record: WireRecord): string | undefined {
  const key = record[kind === 'components' ? 'id' : 'name'];
  return typeof key === 'string' && key !== '' ? key : undefined;
}

/** In an API. It decodes names twice, as they often are URLs. */
export function toSourcePath(name: unknown): string {
  return `/v3/sources/${encodeURIComponent(encodeURIComponent(String(name)))}`;
}

/** What can be said again; members in one order, so that equal ones are equal text. */
export function strip(kind: Kind, record: WireRecord): WireRecord {
  const kept = Object.entries(record).filter(
    ([name, value]) => !TOLD[kind].includes(name) && value !== null && !isNothing(name, value),
  );
  const entries = kept.map(([name, value]) => [name, name === 'state' ? stripState(value) : value]);
  return sortMembers(Object.fromEntries(entries)) as WireRecord;
}

/** An additional inventory without members is none, and so is an error count of 0. */
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

/** Members in which what was stripped differs. */
export function compare(before: WireRecord, after: WireRecord): readonly Change[] {
  const names = [...new Set([...Object.keys(before), ...Object.keys(after)])].sort();
  return names
    .filter((name) => toText(name, before[name]) !== toText(name, after[name]))
    .map((member) => ({ member, before: before[member], after: after[member] }));
}

/** The layers of a state have no order that means anything, and no API gives an `incomplete` one its old place back. */
function toText(name: string, value: unknown): string {
  if (name !== 'state' || !Array.isArray(value)) return JSON.stringify(value);
  return value
    .map((layer) => JSON.stringify(layer))
    .sort()
    .join();
}
