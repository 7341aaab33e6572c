import { createHash } from 'node:crypto';
import { sql } from 'kysely';
import type { DesiredLayer } from '../../core/component.js';
import { toDesiredLayers, type DesiredContext } from '../../core/component-status.js';
import type { Configuration } from '../../core/configuration.js';
import type { Source } from '../../core/source.js';
import { DEFAULT_OPTIONS } from '../../core/options.js';
import type { Connection } from '../database/database.js';
import type { StoreDialect } from '../database/dialect.js';

const KEY_CHARACTERS = 22;
const NO_CONFIGURATION = '-'.repeat(KEY_CHARACTERS);
const MOST_REMEMBERED = 10_000;

/** The layers that a configuration asks of a component. Layers that ask for something else have another `key`. */
export interface DesiredLayers {
  readonly layers: readonly DesiredLayer[];
  readonly key: string;
}

/** By name of a configuration. Undefined if none is stored, or none is desired. */
export type DesiredLayersOf = (name: string | undefined) => DesiredLayers | undefined;

export interface DesiredReader {
  /** The current layers of these configurations, and the option that says how often a component may fail. */
  read(
    db: Connection,
    names: Iterable<string | undefined>,
  ): Promise<{ readonly desired: DesiredLayersOf; readonly retryPolicy: number }>;
  /**
   * What a progress key stands for, without asking the database. What the layers ask for cannot be outdated, because other
   * layers have another key; names may be. Undefined if this process does not know the key.
   */
  recall(progressKey: string): DesiredLayersOf | undefined;
}

interface Remembered extends DesiredLayers {
  readonly version: number;
  readonly playbook: string;
}

/** Caches the layers of each version of a configuration. */
export function createDesiredReader(dialect: StoreDialect): DesiredReader {
  const known = new Map<string, Remembered>();
  const byKey = new Map<string, DesiredLayers>();
  // Caches nothing within a transaction of SQLite: if that is rolled back, its version is used again, with other layers.
  const mayRemember = (db: Connection) => !dialect.hasOneWriter || !db.isTransaction;
  return {
    async read(db, names) {
      const wanted = [...new Set(names)].filter((name) => name !== undefined).filter(Boolean);
      const { playbook, retryPolicy, versions } = await readCurrent(db, dialect, wanted);
      if (known.size > MOST_REMEMBERED) known.clear();
      const found = new Map<string, DesiredLayers>();
      const unknown: string[] = [];
      for (const [name, version] of versions) {
        const old = known.get(name);
        if (old?.version === version && old.playbook === playbook) found.set(name, old);
        else unknown.push(name);
      }
      const fresh = await readConfigurations(db, dialect, unknown);
      const sourceUrls = await readSourceUrls(db, dialect, fresh);
      for (const { name, version, configuration } of fresh) {
        const layers = toLayers(configuration, { defaultPlaybook: playbook, sourceUrls });
        if (mayRemember(db)) known.set(name, { ...layers, version, playbook });
        if (byKey.size > MOST_REMEMBERED) byKey.clear();
        byKey.set(layers.key, layers);
        found.set(name, layers);
      }
      return { desired: (name) => found.get(name ?? ''), retryPolicy };
    },
    recall(progressKey) {
      const key = progressKey.slice(0, KEY_CHARACTERS);
      if (key === '' || key === NO_CONFIGURATION) return () => undefined;
      const layers = byKey.get(key);
      return layers && (() => layers);
    },
  };
}

/** A key that stands for a configuration's name and its layers. It ends with the name. */
export function toProgressKey(
  name: string | undefined,
  desired: DesiredLayers | undefined,
): string {
  if (name === undefined) return '';
  return (desired?.key ?? NO_CONFIGURATION) + name;
}

/** The key of progress that has not been compared with this configuration yet. */
export function toUnknownKey(name: string): string {
  return '?'.repeat(KEY_CHARACTERS) + name;
}

/** The name of the configuration; undefined if none is desired. */
export function fromProgressKey(key: string): string | undefined {
  return key === '' ? undefined : key.slice(KEY_CHARACTERS);
}

function toLayers(configuration: Configuration, context: DesiredContext): DesiredLayers {
  const layers = toDesiredLayers(configuration, context);
  const asked = layers.map(({ cloneUrl, playbook, commit }) => ({ cloneUrl, playbook, commit }));
  const digest = createHash('sha256').update(JSON.stringify(asked)).digest('base64url');
  return { layers, key: digest.slice(0, KEY_CHARACTERS) };
}

/** Reads options and versions of configurations in one statement, because every look at a component needs both. */
async function readCurrent(db: Connection, dialect: StoreDialect, names: readonly string[]) {
  const ofOptions = sql`select 'option' as kind, name, value from options
    where name in ('defaultPlaybook', 'defaultBatcherRetryPolicy')`;
  const ofConfigurations = sql`select 'configuration', name, cast(version as text)
    from configurations where name in ${dialect.textsOf(JSON.stringify(names))}`;
  const query = names.length === 0 ? ofOptions : sql`${ofOptions} union all ${ofConfigurations}`;
  const { rows } = await sql<{ kind: string; name: string; value: string }>`${query}`.execute(db);
  const pick = (wanted: string) =>
    rows.flatMap(({ kind, name, value }) =>
      kind === wanted ? [[name, JSON.parse(value) as unknown] as const] : [],
    );
  const options = { ...DEFAULT_OPTIONS, ...(Object.fromEntries(pick('option')) as object) };
  return {
    playbook: options.defaultPlaybook,
    retryPolicy: options.defaultBatcherRetryPolicy,
    versions: pick('configuration') as readonly (readonly [string, number])[],
  };
}

async function readConfigurations(db: Connection, dialect: StoreDialect, names: readonly string[]) {
  if (names.length === 0) return [];
  const query = db.selectFrom('configurations').selectAll();
  const rows = await query.where('name', 'in', dialect.textsOf(JSON.stringify(names))).execute();
  return rows.map(({ name, version, document }) => ({
    name,
    version,
    configuration: JSON.parse(document) as Configuration,
  }));
}

/** URLs are no part of the cache's key, because a change of a source gives its configurations another version. */
async function readSourceUrls(
  db: Connection,
  dialect: StoreDialect,
  uses: readonly { readonly configuration: Configuration }[],
): Promise<ReadonlyMap<string, string>> {
  const names = uses
    .flatMap(({ configuration }) => configuration.layers.map(({ source }) => source))
    .filter((name) => name !== undefined);
  if (names.length === 0) return new Map();
  const rows = await db
    .selectFrom('sources')
    .select(['name', 'document'])
    .where('name', 'in', dialect.textsOf(JSON.stringify([...new Set(names)])))
    .execute();
  return new Map(
    rows.map(({ name, document }) => [name, (JSON.parse(document) as Source).cloneUrl]),
  );
}
