import { createHash } from 'node:crypto';

/** An index of PostgreSQL takes rows up to 2,704 bytes; a DNS name has at most 253. */
const MAX_BYTES = 1024;
const DIGEST_CHARACTERS = 16;

/**
 * The name as it is, or cut if it is too long for an index, so that one name does not cost the results of all hosts. A cut
 * name ends with a digest of the whole, so that two hosts stay distinct.
 */
export function toStoredHost(host: string): string {
  const bytes = Buffer.from(host);
  if (bytes.length <= MAX_BYTES) return host;
  const digest = createHash('sha256').update(bytes).digest('hex').slice(0, DIGEST_CHARACTERS);
  const end = `…${digest}`;
  const cut = bytes.subarray(0, MAX_BYTES - Buffer.byteLength(end)).toString();
  // Half a character at the end has become U+FFFD, which takes more bytes than the half did.
  return cut.replace(/\uFFFD+$/, '') + end;
}
