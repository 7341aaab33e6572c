import { createHash } from 'node:crypto';

/** An index of PostgreSQL holds 2,704 bytes a row, and that is key, value and job id. */
const MOST_AS_IS = 127;

/**
 * The text itself, or its digest where it is longer than an index bears. The digest has 128 characters, so it is never the
 * text of another tag. People see tags as the request has them; these rows are for finding.
 */
export function toTagText(text: string): string {
  return text.length > MOST_AS_IS ? createHash('sha512').update(text).digest('hex') : text;
}

/** Also as an earlier version has stored it, unless that looks like the digest of another. */
export function toTagTexts(text: string): readonly string[] {
  const stored = toTagText(text);
  return stored === text || /^[0-9a-f]{128}$/.test(text) ? [stored] : [stored, text];
}
