import type { Page } from '../store/database/page.js';

/** Renders the parameters of the next page from the last record of this one. Null if there is no next page. */
export function toNext<T, N>({ items, hasMore }: Page<T>, render: (last: T) => N): N | null {
  const last = items.at(-1);
  return hasMore && last !== undefined ? render(last) : null;
}
