import { createCipheriv, createDecipheriv, hkdfSync, randomBytes } from 'node:crypto';
import { ServiceError } from '../core/errors.js';
import type { SourceCredentials } from '../core/source.js';

const CIPHER = 'aes-256-gcm';
const KEY_BYTES = 32;
const NONCE_BYTES = 12;
const TAG_BYTES = 16;

/** Encrypts with a key derived from the master key. The result is bound to the source: it does not open under another name. */
export function sealCredentials(
  masterKey: Uint8Array,
  source: string,
  { username, password }: SourceCredentials,
): string {
  const nonce = randomBytes(NONCE_BYTES);
  const cipher = createCipheriv(CIPHER, toKey(masterKey), nonce);
  cipher.setAAD(Buffer.from(source));
  const text = JSON.stringify({ username, password });
  const body = Buffer.concat([cipher.update(text, 'utf8'), cipher.final()]);
  return Buffer.concat([nonce, cipher.getAuthTag(), body]).toString('base64');
}

/** Throws the fault `rejected` if the master key is another one or the text was changed. */
export function openCredentials(
  masterKey: Uint8Array,
  source: string,
  sealed: string,
): SourceCredentials {
  const bytes = Buffer.from(sealed, 'base64');
  const tagEnd = NONCE_BYTES + TAG_BYTES;
  try {
    const nonce = bytes.subarray(0, NONCE_BYTES);
    const decipher = createDecipheriv(CIPHER, toKey(masterKey), nonce, {
      authTagLength: TAG_BYTES,
    });
    decipher.setAAD(Buffer.from(source));
    decipher.setAuthTag(bytes.subarray(NONCE_BYTES, tagEnd));
    const text = Buffer.concat([decipher.update(bytes.subarray(tagEnd)), decipher.final()]);
    return JSON.parse(text.toString('utf8')) as SourceCredentials;
  } catch {
    // The cipher's own message would help nobody.
    throw new ServiceError(
      'rejected',
      `The credentials of source ${source} do not open: the master key is not the one that sealed them.`,
      { reason: 'GIT_CLONE' },
    );
  }
}

function toKey(masterKey: Uint8Array): Buffer {
  return Buffer.from(hkdfSync('sha256', masterKey, '', 'source-credentials', KEY_BYTES));
}
