import { hkdfSync } from 'node:crypto';
import { accessSync } from 'node:fs';
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
  if (known !== undefined) return readKnown(file, known);
  const key = readMasterKey(file);
  return readKnown(file, await masterKey.bind(toDigest(key)));
}

/** The same for who only looks in: a key is neither made, nor kept as that of the deployment. */
export async function findMasterKey(
  file: string,
  { masterKey }: Pick<Store, 'masterKey'>,
): Promise<Buffer> {
  return readKnown(file, await masterKey.find());
}

function readKnown(file: string, known: string | undefined): Buffer {
  if (isAbsent(file)) throw refuse(`there is no file ${file}`);
  const key = readMasterKey(file);
  if (known !== undefined && known !== toDigest(key))
    throw refuse(`${file} holds another key than that of this database`);
  return key;
}

/** Where it only cannot be reached, who reads it says why. */
function isAbsent(file: string): boolean {
  try {
    accessSync(file);
    return false;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'ENOENT';
  }
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
