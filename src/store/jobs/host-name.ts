import { createHash } from 'node:crypto';

/** An index of PostgreSQL takes rows up to 2,704 bytes; a DNS name has at most 253. */
const MAX_BYTES = 1024;
const DIGEST_CHARACTERS = 16;

/**
 * As it is, or cut where no index could hold it: the results of the others must not be lost for one name. What was cut off
 * leaves its digest, so that two hosts stay two.
 */
export function toStoredHost(host: string): string {
  const bytes = Buffer.from(host);
  if (bytes.length <= MAX_BYTES) return host;
  const digest = createHash('sha256').update(bytes).digest('hex').slice(0, DIGEST_CHARACTERS);
  const end = `…${digest}`;
  const cut = bytes.subarray(0, MAX_BYTES - Buffer.byteLength(end)).toString();
  // Half a character at the end became a sign that takes more room than the half had.
  return cut.replace(/\uFFFD+$/, '') + end;
}
