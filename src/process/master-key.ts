import { hkdfSync } from 'node:crypto';
import { accessSync } from 'node:fs';
import type { Store } from '../store/store.js';
import { readMasterKey } from './keys.js';

const DIGEST_BYTES = 16;

/**
 * Opens the key of this deployment, or makes it if the deployment is new. No process starts with another key: it could not open
 * the credentials of sources, and running jobs could not deliver anything.
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

/** Like `openMasterKey`, but neither makes a key nor records one as that of the deployment. */
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
    throw refuse(`${file} does not hold the key of this database`);
  return key;
}

/** False also if the file cannot be reached: reading it reports why. */
function isAbsent(file: string): boolean {
  try {
    accessSync(file);
    return false;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'ENOENT';
  }
}

/** Distinguishes keys without revealing anything about them. */
function toDigest(key: Uint8Array): string {
  return Buffer.from(hkdfSync('sha256', key, '', 'master-key', DIGEST_BYTES)).toString('hex');
}

function refuse(fact: string): Error {
  return new Error(
    `MASTER_KEY_FILE: ${fact}. Name the file with the key that the other processes of this deployment have; if nobody has it any more: npm run restored -- --new-key`,
  );
}
