const OUTSIDE =
  /(?<space>[ \t\r\n]+)|'(?<single>[^']*)'|(?<quote>")|\\(?<escaped>[^])|(?<plain>[^ \t\r\n'"\\]+)/y;
const INSIDE = /(?<quote>")|\\(?<escaped>["\\])|(?<plain>[^"\\]+|\\)/y;

/**
 * Splits text exactly as Python's `shlex.split` does, which splits it again in the job. npm's `shlex` differs: it reads
 * escapes in single quotes, and bash quotes that Python does not know. Undefined if a quotation or an escape is not closed.
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
