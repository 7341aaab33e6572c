/**
 * How many rows one statement reads or writes. With their documents they hold some megabytes, and a statement of SQLite takes
 * at most 32,766 values, of which a row has up to 13.
 */
export const ROWS_AT_ONCE = 1_000;

/** The items in order, in parts that one statement can take. */
export function* inParts<T>(items: readonly T[]): Generator<readonly T[]> {
  for (let first = 0; first < items.length; first += ROWS_AT_ONCE) {
    yield items.slice(first, first + ROWS_AT_ONCE);
  }
}
