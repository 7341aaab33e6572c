import type { ComponentPut } from '../core/component.js';
import { isServiceError } from '../core/errors.js';
import { parse } from '../api/validation.js';
import { ComponentBody, fromComponentBody, toComponentWire } from '../api/wire/component.js';
import {
  ConfigurationWire,
  fromConfigurationPut,
  toConfigurationWire,
} from '../api/wire/configuration.js';
import { fromOptionsPatch, OptionsWire, toOptionsWire } from '../api/wire/options.js';
import { toSeconds } from '../api/wire/values.js';
import { SourceRestore, toSourceWire } from '../api/wire/source.js';
import { fromSourceRestore } from '../api/sources.js';
import type { Source } from '../core/source.js';
import type { Store } from '../store/store.js';
import type { Place, Refusal, Written } from './place.js';
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

/** As it is stored: a layer may have its branch and the commit at which that stood. */
const Stored = ConfigurationWire.omit({ name: true, last_updated: true });

type Parsed<T> = { readonly key: string; readonly value: T };

/** The database of this service. Extension options are not told: no CFS knows them. */
export function createStorePlace(
  store: Store,
  { now, optionNames }: { readonly now: () => string; readonly optionNames: readonly string[] },
): Place {
  const writers = {
    sources: async (records: readonly WireRecord[]) => {
      const { parsed, refused } = parseAll('sources', records, (record, key) =>
        fromSourceRestore(key, parse(SourceRestore, omit(record, 'name')), toSeconds(now())),
      );
      for (const { value } of parsed) await saveSource(store, value);
      return { refused, notes: [] };
    },
    options: async (records: readonly WireRecord[]) => {
      const isKnown = ({ name }: WireRecord) => optionNames.includes(String(name));
      const { parsed, refused } = parseAll('options', records.filter(isKnown), (record) =>
        parse(OptionsWire.partial(), fromOptionRecords([record])),
      );
      for (const { value } of parsed) await store.options.patch(fromOptionsPatch(value));
      const unknown = records.filter((record) => !isKnown(record));
      const notes = unknown.map(({ name }) => ({ key: String(name), why: 'is not known here' }));
      return { refused, notes };
    },
    configurations: async (records: readonly WireRecord[]) => {
      const { parsed, refused } = parseAll('configurations', records, (record, key) => {
        return fromConfigurationPut(key, parse(Stored, record), toSeconds(now()));
      });
      for (const { value } of parsed) await store.configurations.save(value);
      return { refused, notes: [] };
    },
    components: async (records: readonly WireRecord[]) => {
      const { parsed, refused } = parseAll('components', records, toComponentPut);
      const puts = parsed.map(({ value }) => value);
      if (puts.length > 0) await store.components.put(puts, now(), () => undefined);
      return { refused, notes: [] };
    },
  } satisfies Record<Kind, (records: readonly WireRecord[]) => Promise<Written>>;
  return {
    name: 'the database of this service',
    read: (kind) => readStore(store, kind, optionNames),
    write: (kind, records) => writers[kind](records),
  };
}

/** Credentials that are stored here stay with the secret that they belong to; all others are in Vault. */
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
    const page = { limit: PAGE, ...(afterId === undefined ? {} : { afterId }) };
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

/** A layer's `incomplete` is no word of a request; CFS has it all the same. */
function toComponentPut(record: WireRecord, id: string): ComponentPut {
  const { state = [], ...rest } = record;
  const layers = Array.isArray(state) ? (state as readonly unknown[]) : [state];
  const spoken = layers.map((layer) =>
    isRecord(layer) && layer['status'] === 'incomplete' ? { ...layer, status: 'applied' } : layer,
  );
  const patch = fromComponentBody(parse(ComponentBody, { ...rest, state: spoken }));
  const meant = (patch.state ?? []).map((layer, index) => {
    const given = layers[index];
    return isRecord(given) && given['status'] === 'incomplete'
      ? { ...layer, status: 'incomplete' as const }
      : layer;
  });
  const { desiredConfig, errorCount, retryPolicy, enabled, tags } = patch;
  return {
    ...{ id, state: meant },
    ...(desiredConfig === undefined ? {} : { desiredConfig }),
    ...(errorCount === undefined ? {} : { errorCount }),
    ...(retryPolicy === undefined ? {} : { retryPolicy }),
    ...(enabled === undefined ? {} : { enabled }),
    ...(tags === undefined ? {} : { tags }),
  };
}

/** Those that can be taken, and why the others cannot. */
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
      parsed.push({ key, value: parseOne(record, key) });
    } catch (error) {
      if (!isServiceError(error)) throw error;
      refused.push({ key, why: error.message });
    }
  }
  return { parsed, refused };
}
