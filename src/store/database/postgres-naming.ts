/** How often a statement must come before it gets a name. */
const OFTEN = 20;
/** Each name costs the server some kilobytes of memory for each connection. */
const MOST_NAMES = 100;
const MOST_COUNTED = 1_000;
const MOST_CHARACTERS = 2_000;
const STATEMENT = /^\s*(?:select|insert|update|delete|with)\b/;
const UNFIT = /\*|\blimit\b/;

/**
 * Gives names to frequent statements, because the server then keeps what it has parsed, for each connection. A statement with
 * `*` gets none: the server refuses it once a later version has added a column. Nor does one with `limit`, because a page is
 * planned better for the values that it is asked for.
 */
export function createNaming(): (text: string) => string | undefined {
  const counts = new Map<string, number>();
  const names = new Map<string, string>();
  return (text) => {
    const known = names.get(text);
    if (known !== undefined || names.size === MOST_NAMES) return known;
    if (text.length > MOST_CHARACTERS) return undefined;
    const count = (counts.get(text) ?? 0) + 1;
    if (count === 1 && (!STATEMENT.test(text) || UNFIT.test(text))) return undefined;
    if (counts.size === MOST_COUNTED) counts.clear();
    counts.set(text, count);
    if (count === OFTEN) names.set(text, `keelson_${names.size}`);
    return names.get(text);
  };
}
