import { readFile } from 'node:fs/promises';
import { ServiceError, type Reason } from '../core/errors.js';
import type { TokenFault } from './http.js';

/** A file that a variable names; why the session fails that needs it. */
export interface FileSetting {
  readonly variable: string;
  readonly path: string | undefined;
  readonly reason: Reason;
  /** What it is that the file cannot be used: default `rejected`; `unavailable` where somebody may be replacing it. */
  readonly fault?: TokenFault;
}

/** Read for each call: tokens and certificates rotate. */
export async function readSetting({
  variable,
  path,
  reason,
  fault = 'rejected',
}: FileSetting): Promise<string | undefined> {
  if (path === undefined) return undefined;
  try {
    return await readFile(path, 'utf8');
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    throw new ServiceError(fault, `${variable}: ${path} cannot be read (${code}).`, {
      reason,
      cause: error,
    });
  }
}

export async function readToken(setting: FileSetting): Promise<string | undefined> {
  const token = (await readSetting(setting))?.trim();
  if (token === undefined || /^[\x21-\x7e]+$/.test(token)) return token;
  const { variable, path, reason, fault = 'rejected' } = setting;
  throw new ServiceError(fault, `${variable}: ${path} does not hold a token.`, { reason });
}
