import { setImmediate } from 'node:timers/promises';
import { isServiceError } from '../../core/errors.js';
import type { Connection, Database } from './database.js';

/** The most items of a group, so that no statement grows without bound. */
const MOST = 100;

interface Waiting<Item, Result> {
  readonly item: Item;
  readonly resolve: (result: Result) => void;
  readonly reject: (error: unknown) => void;
}

type Act<Item, Result> = (items: readonly Item[]) => Promise<readonly Result[]>;

/**
 * For a database where each statement is a round trip and each commit waits for the disk: items that come while one group is
 * under way form the next group. If a group fails, each item is tried alone, so that it fails only for its own reasons; but
 * if the database does not answer, all of them fail.
 */
export function createGrouping<Item, Result>(
  act: Act<Item, Result>,
  most = MOST,
): (item: Item) => Promise<Result> {
  const waiting: Waiting<Item, Result>[] = [];
  let isRunning = false;
  const drain = async () => {
    isRunning = true;
    while (waiting.length > 0) {
      // Lets items that have arrived meanwhile join the group.
      await setImmediate();
      await actTogether(act, waiting.splice(0, most));
    }
    isRunning = false;
  };
  return (item) =>
    new Promise((resolve, reject) => {
      waiting.push({ item, resolve, reject });
      if (!isRunning) void drain();
    });
}

async function actTogether<Item, Result>(
  act: Act<Item, Result>,
  group: readonly Waiting<Item, Result>[],
): Promise<void> {
  try {
    const results = await act(group.map(({ item }) => item));
    group.forEach(({ resolve }, index) => resolve(results[index] as Result));
  } catch (error) {
    if (group.length === 1 || isAway(error)) {
      for (const { reject } of group) reject(error);
    } else {
      for (const one of group) await actTogether(act, [one]);
    }
  }
}

function isAway(error: unknown): boolean {
  return isServiceError(error) && error.fault === 'unavailable';
}

/** Finds a row by its key. On PostgreSQL, simultaneous lookups share a query. */
export function createLookup<Row>(
  { dialect, read }: Database,
  select: (db: Connection, keys: readonly string[]) => Promise<readonly Row[]>,
  toKey: (row: Row) => string,
): (key: string) => Promise<Row | undefined> {
  const find = async (keys: readonly string[]) => {
    const rows = await read((db) => select(db, [...new Set(keys)]));
    const byKey = new Map(rows.map((row) => [toKey(row), row]));
    return keys.map((key) => byKey.get(key));
  };
  return dialect.hasOneWriter ? async (key) => (await find([key]))[0] : createGrouping(find);
}

/** Reads what is the same for every caller. On PostgreSQL, simultaneous callers share a query. */
export function createSharedRead<Result>(
  { dialect, read }: Database,
  query: (db: Connection) => Promise<Result>,
): () => Promise<Result> {
  if (dialect.hasOneWriter) return () => read(query);
  const ask = createGrouping(async (askers: readonly undefined[]) => {
    const result = await read(query);
    return askers.map(() => result);
  });
  return () => ask(undefined);
}
