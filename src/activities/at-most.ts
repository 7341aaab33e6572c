/** Runs `limit` items at a time and keeps their order. The first error is thrown once all that began have ended. */
export async function atMost<T, R>(
  limit: number,
  items: readonly T[],
  act: (item: T) => Promise<R>,
): Promise<readonly R[]> {
  const results: R[] = [];
  for (let first = 0; first < items.length; first += limit) {
    const some = await Promise.allSettled(items.slice(first, first + limit).map(act));
    for (const each of some) {
      if (each.status === 'rejected') throw each.reason;
      results.push(each.value);
    }
  }
  return results;
}
