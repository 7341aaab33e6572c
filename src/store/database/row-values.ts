import { sql, type RawBuilder } from 'kysely';

/** 0 or 1: SQLite has no truth values. */
export type Flag = 0 | 1;

/** Absent is null in a row, and no member at all outside. */
export function dropNulls<T extends object>(row: T): Present<T> {
  const present: Partial<T> = {};
  // A loop: it is done for every session of a page, and lists of pairs cost a tenth of the page.
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

/** For a comparison with a column that is narrower: PostgreSQL refuses a number that does not fit into it. */
export function toBigint(value: number): RawBuilder<number> {
  return sql<number>`cast(${value} as bigint)`;
}
