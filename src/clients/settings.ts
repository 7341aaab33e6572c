import { readFile } from 'node:fs/promises';
import { ServiceError, type Reason } from '../core/errors.js';

/** A file that an environment variable names. `reason`: of a session that fails because the file cannot be used. */
export interface FileSetting {
  readonly variable: string;
  readonly path: string | undefined;
  readonly reason: Reason;
  /** Fault if the file cannot be used. Default `rejected`; `unavailable` where somebody may be replacing the file. */
  readonly fault?: 'rejected' | 'unavailable';
}

/** Reads the file on every call, because tokens and certificates rotate. */
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
  throw new ServiceError(fault, `${variable}: ${path} does not contain a token.`, { reason });
}
