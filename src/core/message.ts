const MAX_LENGTH = 300;

/** One line of at most 300 characters, without control characters and without halves of surrogate pairs. */
export function toMessage(text: string): string {
  return cutText(text.replace(/[\s\p{Cc}]+/gu, ' ').trim(), MAX_LENGTH);
}

/** At most so many characters, without half of a surrogate pair at the end. */
export function cutText(text: string, most: number): string {
  if (text.length <= most) return text;
  return `${text.slice(0, most - 1).replace(/[\uD800-\uDBFF]$/, '')}…`;
}
