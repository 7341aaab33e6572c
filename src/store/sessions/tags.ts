import { createHash } from 'node:crypto';

/** A row of a PostgreSQL index holds at most 2,704 bytes, in which key, value and job id must fit. */
const MOST_AS_IS = 127;

/**
 * The text itself, or its digest if it is too long for an index. A digest has 128 characters, so it never equals the text of
 * another tag. These rows only serve to find sessions; people see the tags in the request.
 */
export function toTagText(text: string): string {
  return text.length > MOST_AS_IS ? createHash('sha512').update(text).digest('hex') : text;
}

/**
 * How the text may be stored: an earlier version stored long texts as they are. A text that looks like a digest has one form.
 */
export function toTagTexts(text: string): readonly string[] {
  const stored = toTagText(text);
  return stored === text || /^[0-9a-f]{128}$/.test(text) ? [stored] : [stored, text];
}
