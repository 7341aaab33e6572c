import { readFile } from 'node:fs/promises';
import { ServiceError, type Reason } from '../core/errors.js';

/** A file that a variable names; why the session fails that needs it. */
export interface FileSetting {
  readonly variable: string;
  readonly path: string | undefined;
  readonly reason: Reason;
}

/** Read for each call: tokens and certificates rotate. */
export async function readSetting({
  variable,
  path,
  reason,
}: FileSetting): Promise<string | undefined> {
  if (path === undefined) return undefined;
  try {
    return await readFile(path, 'utf8');
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    throw new ServiceError('rejected', `${variable}: ${path} cannot be read (${code}).`, {
      reason,
      cause: error,
    });
  }
}

export async function readToken(setting: FileSetting): Promise<string | undefined> {
  const token = (await readSetting(setting))?.trim();
  if (token === undefined || /^[\x21-\x7e]+$/.test(token)) return token;
  const { variable, path, reason } = setting;
  throw new ServiceError('rejected', `${variable}: ${path} does not hold a token.`, { reason });
}
