/**
 * Whether a name matches a wildcard of `*` and `?`. A regular expression could backtrack for
 * ever; this only goes back to the last `*`.
 */
export function isLike(name: string, wildcard: string): boolean {
  const characters = Array.from(name);
  const parts = Array.from(wildcard);
  let star: { readonly part: number; readonly at: number } | undefined;
  let part = 0;
  for (let at = 0; at < characters.length;) {
    if (parts[part] === '*') {
      star = { part, at };
      part += 1;
    } else if (parts[part] === '?' || parts[part] === characters[at]) {
      part += 1;
      at += 1;
    } else if (star !== undefined) {
      star = { part: star.part, at: star.at + 1 };
      part = star.part + 1;
      at = star.at;
    } else return false;
  }
  return parts.slice(part).every((rest) => rest === '*');
}
