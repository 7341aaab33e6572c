import { z } from '@hono/zod-openapi';
import type { ComponentPut } from '../core/component.js';
import type { Configuration } from '../core/configuration.js';
import { invalid, isServiceError, type Fault } from '../core/errors.js';
import { omitUndefined } from '../core/omit-undefined.js';
import {
  findAddressFault,
  findRefFault,
  findUrlFault,
  withoutUser,
} from '../api/repository-url.js';
import { parse } from '../api/validation.js';
import {
  ComponentBody,
  ComponentId,
  fromComponentBody,
  StoredLayer,
  toComponentWire,
} from '../api/wire/component.js';
import {
  ConfigurationWire,
  fromConfigurationPut,
  layersOf,
  toConfigurationWire,
} from '../api/wire/configuration.js';
import { fromOptionsPatch, OptionsWire, toOptionsWire } from '../api/wire/options.js';
import { boundedText, MAX_NAME_V2, toSeconds } from '../api/wire/values.js';
import { SourceRestore, toSourceWire } from '../api/wire/source.js';
import { fromSourceRestore } from '../api/sources.js';
import type { Source } from '../core/source.js';
import type { Store } from '../store/store.js';
import type { RecordStore, Refusal, Written } from './record-store.js';
import {
  fromOptionRecords,
  isRecord,
  omit,
  toKey,
  toOptionRecords,
  type Kind,
  type WireRecord,
} from './records.js';

const PAGE = 1_000;
const CLEANED = 'its state has URLs of repositories, which are now without user name and password';
const REFUSALS: readonly Fault[] = ['invalid', 'conflict'];

/** A configuration as stored: a layer may have both its branch and the commit that the branch was at. */
const Stored = z.strictObject({
  ...ConfigurationWire.omit({ name: true, last_updated: true }).shape,
  layers: layersOf(ConfigurationWire.shape.layers.element),
});
/** A component as stored: its configuration may have a name that only v2 takes. */
const StoredComponent = ComponentBody.omit({ state_append: true }).extend({
  desired_config: boundedText(0, MAX_NAME_V2).optional(),
  state: z.array(StoredLayer).optional(),
});

/** What the indexes of both databases can hold. */
const StoredNames = z.object({ id: ComponentId, name: boundedText(1, MAX_NAME_V2) });

type Parsed<T> = { readonly key: string; readonly value: T };

/** Which records cannot be taken, and how to save the others. */
interface Prepared extends Written {
  /** Returns the records that the database refused. */
  readonly save: () => Promise<readonly Refusal[]>;
}

export interface DatabaseRecordStoreOptions {
  /** For messages. */
  readonly name: string;
  readonly now: () => string;
  /** Without the extension options, which no CFS knows. */
  readonly optionNames: readonly string[];
  /** Schemes that repositories may have here, in the format of GIT_ALLOW_PROTOCOL. */
  readonly protocols: string;
}

/** The database of this service. */
export function createDatabaseRecordStore(
  store: Store,
  options: DatabaseRecordStoreOptions,
): RecordStore {
  const prepare = createPreparation(store, options);
  return {
    name: options.name,
    read: (kind) => readStore(store, kind, options.optionNames),
    async write(kind, records) {
      const { save, refused, notes } = prepare[kind](records);
      return { refused: [...refused, ...(await save())], notes };
    },
    check(kind, records) {
      const { refused, notes } = prepare[kind](records);
      return Promise.resolve({ refused, notes });
    },
  };
}

type Preparation = Record<Kind, (records: readonly WireRecord[]) => Prepared>;

function createPreparation(
  store: Store,
  { now, optionNames, protocols }: DatabaseRecordStoreOptions,
): Preparation {
  return {
    sources: (records) => {
      const { parsed, refused } = parseAll('sources', records, (record, key) =>
        fromSourceRestore(key, parse(SourceRestore, omit(record, 'name')), toSeconds(now())),
      );
      return {
        refused,
        notes: noteSchemes('sources', records, refused, protocols),
        save: () => each(parsed, (source) => saveSource(store, source)),
      };
    },
    options: (records) => {
      const isKnown = ({ name }: WireRecord) => optionNames.includes(String(name));
      const { parsed, refused } = parseAll('options', records.filter(isKnown), (record) =>
        parse(OptionsWire.partial(), fromOptionRecords([record])),
      );
      const unknown = records.filter((record) => !isKnown(record));
      const notes = [
        ...unknown.map(({ name }) => ({ key: String(name), why: 'is not known here' })),
        ...noteSchemes('options', records.filter(isKnown), refused, protocols),
      ];
      const patch = (value: Parameters<typeof fromOptionsPatch>[0]) =>
        store.options.patch(fromOptionsPatch(value));
      return { refused, notes, save: () => each(parsed, patch) };
    },
    configurations: (records) => {
      const { parsed, refused } = parseAll('configurations', records, (record, key) =>
        toConfiguration(omit(record, 'name'), key, toSeconds(now())),
      );
      return {
        refused,
        notes: noteSchemes('configurations', records, refused, protocols),
        save: () => each(parsed, (value) => store.configurations.save(value)),
      };
    },
    components: (records) => {
      const cleaned = records.map(cleanState);
      const { parsed, refused } = parseAll('components', cleaned, toComponentPut);
      const changed = cleaned.filter((record, index) => record !== records[index]);
      const notes = changed.map(({ id }) => ({ key: String(id), why: CLEANED }));
      const puts = parsed.map(({ value }) => value);
      const save = async () => {
        if (puts.length > 0) await store.components.put(puts, now(), () => undefined);
        return [];
      };
      return { refused, notes, save };
    },
  };
}

/** Saves one by one, so that a record that names a missing source does not keep the others out. */
async function each<T>(
  parsed: readonly Parsed<T>[],
  save: (value: T) => Promise<unknown>,
): Promise<readonly Refusal[]> {
  const refused: Refusal[] = [];
  for (const { key, value } of parsed) {
    try {
      await save(value);
    } catch (error) {
      if (!isServiceError(error) || !REFUSALS.includes(error.fault)) throw error;
      refused.push({ key, why: error.message });
    }
  }
  return refused;
}

/** Keeps credentials that are stored here with the secret that they belong to; all others are in Vault. */
async function saveSource(store: Store, source: Source): Promise<void> {
  const stored = await store.sources.find(source.name);
  if (stored === undefined) return store.sources.insert(source);
  const { credentials, ...rest } = stored;
  const keeps = credentials !== undefined && stored.source.secretName === source.secretName;
  return store.sources.replace({ ...rest, source, ...(keeps ? { credentials } : {}) });
}

async function* readStore(store: Store, kind: Kind, optionNames: readonly string[]) {
  if (kind === 'options') {
    const all = Object.entries(toOptionsWire(await store.options.get()));
    yield toOptionRecords(Object.fromEntries(all.filter(([name]) => optionNames.includes(name))));
    return;
  }
  for (let afterId: string | undefined; ;) {
    const page = { limit: PAGE, ...omitUndefined({ afterId }) };
    const { records, hasMore } = await readPage(store, kind, page);
    yield records;
    if (!hasMore) return;
    afterId = toKey(kind, records.at(-1) ?? {});
  }
}

async function readPage(
  store: Store,
  kind: Exclude<Kind, 'options'>,
  page: { readonly limit: number; readonly afterId?: string },
): Promise<{ readonly records: readonly WireRecord[]; readonly hasMore: boolean }> {
  if (kind === 'sources') {
    const { items, hasMore } = await store.sources.list(page);
    return { records: items.map((item) => ({ ...toSourceWire(item) })), hasMore };
  }
  if (kind === 'configurations') {
    const { items, hasMore } = await store.configurations.list(page);
    return { records: items.map((item) => ({ ...toConfigurationWire(item) })), hasMore };
  }
  const { items, hasMore } = await store.components.list({}, page);
  return { records: items.map(({ component }) => ({ ...toComponentWire(component) })), hasMore };
}

function toConfiguration(record: WireRecord, name: string, lastUpdated: string): Configuration {
  parse(StoredNames.pick({ name: true }), { name });
  return fromConfigurationPut(name, parse(Stored, record), lastUpdated);
}

function toComponentPut(record: WireRecord, id: string): ComponentPut {
  parse(StoredNames.pick({ id: true }), { id });
  return { id, ...fromComponentBody(parse(StoredComponent, record)) };
}

/** A configuration with a password in its URL is to get another URL. So does the state of nodes, so that they stay configured. */
function cleanState(record: WireRecord): WireRecord {
  const { state } = record;
  if (!isList(state)) return record;
  const cleaned = state.map(cleanLayer);
  return cleaned.some((layer, index) => layer !== state[index])
    ? { ...record, state: cleaned }
    : record;
}

function cleanLayer(layer: unknown): unknown {
  if (!isRecord(layer) || findFault(layer) === undefined) return layer;
  const cleaned = { ...layer, clone_url: withoutUser(String(layer['clone_url'])) };
  return findFault(cleaned) === undefined ? cleaned : layer;
}

/** The records that can be taken, and why the others cannot. */
function parseAll<T>(
  kind: Kind,
  records: readonly WireRecord[],
  parseOne: (record: WireRecord, key: string) => T,
): { readonly parsed: readonly Parsed<T>[]; readonly refused: readonly Refusal[] } {
  const parsed: Parsed<T>[] = [];
  const refused: Refusal[] = [];
  for (const record of records) {
    const key = toKey(kind, record) ?? '';
    try {
      refuseAddresses(record);
      parsed.push({ key, value: parseOne(record, key) });
    } catch (error) {
      if (!isServiceError(error)) throw error;
      refused.push({ key, why: error.message });
    }
  }
  return { parsed, refused };
}

/** CFS takes URLs with passwords. Here everybody who reads records, logs or arguments would see them. */
function refuseAddresses(record: WireRecord): void {
  for (const reference of listReferences(record)) {
    const fault = findFault(reference) ?? findBranchFault(reference);
    if (fault !== undefined) throw invalid(fault);
  }
}

/** Records with a scheme that is not allowed move, because the setting can be changed. Until then their sessions fail. */
function noteSchemes(
  kind: Kind,
  records: readonly WireRecord[],
  refused: readonly Refusal[],
  protocols: string,
): readonly Refusal[] {
  return records.flatMap((record) => {
    const key = toKey(kind, record) ?? '';
    if (refused.some((refusal) => refusal.key === key)) return [];
    // Empty, as that of the option, it names no repository.
    const check = (url: string) => (url === '' ? undefined : findUrlFault(url, protocols));
    const faults = listReferences(record).map((reference) => findFault(reference, check));
    const fault = faults.find((found) => found !== undefined);
    return fault === undefined ? [] : [{ key, why: `cannot be cloned here: ${fault}` }];
  });
}

function listReferences({ layers, state, ...record }: WireRecord): readonly unknown[] {
  const option = record['name'] === 'additional_inventory_url' ? record['value'] : undefined;
  const references = [record, record['additional_inventory'], { clone_url: option }];
  return [...references, ...[layers, state].filter(isList).flat()];
}

function findFault(reference: unknown, check = findAddressFault): string | undefined {
  const url = isRecord(reference) ? reference['clone_url'] : undefined;
  return typeof url === 'string' ? check(url) : undefined;
}

function findBranchFault(reference: unknown): string | undefined {
  const branch = isRecord(reference) ? reference['branch'] : undefined;
  return typeof branch === 'string' ? findRefFault(branch) : undefined;
}

function isList(value: unknown): value is readonly unknown[] {
  return Array.isArray(value);
}
