const MAX_LENGTH = 300;

/** One line of at most 300 characters, without control characters and without halves of surrogate pairs. */
export function toMessage(text: string): string {
  const line = text.replace(/[\s\p{Cc}]+/gu, ' ').trim();
  if (line.length <= MAX_LENGTH) return line;
  return `${line.slice(0, MAX_LENGTH - 1).replace(/[\uD800-\uDBFF]$/, '')}…`;
}
