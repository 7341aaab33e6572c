import { randomBytes, randomUUID } from 'node:crypto';
import { linkSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { makeDirectory } from './directory.js';

const KEY_BYTES = 32;

/** The key that job tokens are derived from. Made at first use, readable only by its owner. */
export function readMasterKey(file: string): Buffer {
  const key = Buffer.from(readKeyText(file), 'hex');
  if (key.length < KEY_BYTES)
    throw new Error(
      `MASTER_KEY_FILE: ${file} does not contain a key of ${KEY_BYTES} bytes in hexadecimal digits.`,
    );
  return key;
}

function readKeyText(file: string): string {
  try {
    return readOrCreate(file, () => randomBytes(KEY_BYTES).toString('hex'));
  } catch (cause) {
    const { message } = cause as Error;
    throw new Error(
      `MASTER_KEY_FILE: ${file} can be neither read nor created (${message}). It must be a file that the user of this process may read.`,
    );
  }
}

/** Names this machine's task queues. It is kept in a file because it must survive a reboot. */
export function readMachineId(dataDirectory: string): string {
  return readOrCreate(join(dataDirectory, 'machine-id'), randomUUID);
}

/** The file with the token of this service's own image service. Made at first use, readable only by its owner. */
export function keepImageToken(dataDirectory: string): string {
  const file = resolve(dataDirectory, 'image-service.token');
  readOrCreate(file, () => randomBytes(KEY_BYTES).toString('hex'));
  return file;
}

/**
 * Writes a draft beside the file and links it into place, so that two processes that start at the same time get the same
 * content, and neither reads half of it.
 */
function readOrCreate(file: string, create: () => string): string {
  try {
    return readFileSync(file, 'utf8').trim();
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
  }
  makeDirectory(dirname(file));
  const draft = `${file}.${randomUUID()}`;
  writeFileSync(draft, `${create()}\n`, { mode: 0o600, flag: 'wx', flush: true });
  try {
    linkSync(draft, file);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
  } finally {
    rmSync(draft);
  }
  return readFileSync(file, 'utf8').trim();
}
