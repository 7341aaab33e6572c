import { hkdfSync } from 'node:crypto';
import { existsSync } from 'node:fs';
import type { Store } from '../store/store.js';
import { readMasterKey } from './keys.js';

const DIGEST_BYTES = 16;

/**
 * The key of this deployment, made where the deployment is new. With another one nobody could open the credentials of sources,
 * and jobs that run could deliver nothing, so nothing starts with it.
 */
export async function openMasterKey(
  file: string,
  { masterKey }: Pick<Store, 'masterKey'>,
): Promise<Buffer> {
  const known = await masterKey.find();
  if (known !== undefined && !existsSync(file)) throw refuse(`there is no file ${file}`);
  const key = readMasterKey(file);
  const digest = toDigest(key);
  if ((known ?? (await masterKey.bind(digest))) !== digest)
    throw refuse(`${file} holds another key than that of this database`);
  return key;
}

/** Tells keys apart, and nothing of them. */
function toDigest(key: Uint8Array): string {
  return Buffer.from(hkdfSync('sha256', key, '', 'master-key', DIGEST_BYTES)).toString('hex');
}

function refuse(fact: string): Error {
  return new Error(
    `MASTER_KEY_FILE: ${fact}. Name the file with the key that the other processes of this deployment have; if nobody has it any more: npm run restored -- --new-key`,
  );
}
