const OUTSIDE =
  /(?<space>[ \t\r\n]+)|'(?<single>[^']*)'|(?<quote>")|\\(?<escaped>[^])|(?<plain>[^ \t\r\n'"\\]+)/y;
const INSIDE = /(?<quote>")|\\(?<escaped>["\\])|(?<plain>[^"\\]+|\\)/y;

/**
 * Words exactly as Python's `shlex.split` has them, which splits the same text where it runs; npm's `shlex` does not: it reads
 * escapes in single quotes, and quotes of bash that Python does not know. Undefined: a quotation or an escape is not closed.
 */
export function splitWords(text: string): readonly string[] | undefined {
  const words: string[] = [];
  let word: string | undefined;
  let isQuoted = false;
  for (let at = 0; at < text.length;) {
    const pattern = isQuoted ? INSIDE : OUTSIDE;
    pattern.lastIndex = at;
    const found = pattern.exec(text);
    if (found === null) return undefined;
    at = pattern.lastIndex;
    const { space, single, quote, escaped, plain } = found.groups ?? {};
    if (quote !== undefined) isQuoted = !isQuoted;
    if (space === undefined) word = (word ?? '') + (single ?? escaped ?? plain ?? '');
    else if (word !== undefined) {
      words.push(word);
      word = undefined;
    }
  }
  if (isQuoted) return undefined;
  return word === undefined ? words : [...words, word];
}
