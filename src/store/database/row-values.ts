import { sql, type RawBuilder } from 'kysely';

/** 0 or 1, because SQLite has no booleans. */
export type Flag = 0 | 1;

/** Drops members that are null: a row says null for what is absent, everything else leaves the member out. */
export function dropNulls<T extends object>(row: T): Present<T> {
  const present: Partial<T> = {};
  // A loop, because this runs for every session of a page, and lists of pairs took a tenth of the page's time.
  for (const key in row) if (row[key] !== null) present[key] = row[key];
  return present as Present<T>;
}

type NullableKey<T> = { [K in keyof T]: null extends T[K] ? K : never }[keyof T];
export type Present<T> = Omit<T, NullableKey<T>> & {
  [K in NullableKey<T>]?: Exclude<T[K], null>;
};

export function toFlag(value: boolean): Flag {
  return value ? 1 : 0;
}

/** For comparison with a narrower column: PostgreSQL refuses a number that does not fit the column. */
export function toBigint(value: number): RawBuilder<number> {
  return sql<number>`cast(${value} as bigint)`;
}

/** The end of what cannot have ended before it began, although the clock may have been set back meanwhile. */
export function toEnd(begin: string | null, end: string | null): string | null {
  return begin !== null && end !== null && end < begin ? begin : end;
}
