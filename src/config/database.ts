import { join } from 'node:path';
import { omitUndefined } from '../core/omit-undefined.js';
import type { EnvironmentReader } from './environment.js';

export type DatabaseConfig =
  | { readonly kind: 'sqlite'; readonly path: string }
  | {
      readonly kind: 'postgres';
      readonly url: string;
      readonly passwordFile?: string;
      readonly poolSize: number;
    };

export function parseDatabase(read: EnvironmentReader, dataDirectory: string): DatabaseConfig {
  const url = read.text('DATABASE_URL');
  // Read only to see that it can be: each connection reads it again.
  const password = read.content('DATABASE_PASSWORD_FILE');
  const poolSize = read.integer('DATABASE_POOL_SIZE', { fallback: 10, minimum: 1 });
  if (url === undefined) return { kind: 'sqlite', path: join(dataDirectory, 'keelson.db') };
  // The URL is not shown, because it may hold a password.
  if (!URL.canParse(url) || !/^postgres(ql)?:$/.test(new URL(url).protocol))
    throw new Error('DATABASE_URL: not a postgresql:// URL.');
  const { pathname, hash } = new URL(url);
  // Otherwise part of the password would be read as port or database name, and shown.
  if (pathname.includes('@') || hash !== '')
    throw new Error('DATABASE_URL: write / ? # @ in a password as %2F %3F %23 %40.');
  if (password !== undefined && new URL(url).password !== '')
    throw new Error('DATABASE_URL and DATABASE_PASSWORD_FILE: only one may hold a password.');
  const passwordFile = read.file('DATABASE_PASSWORD_FILE');
  return { kind: 'postgres', url, ...omitUndefined({ passwordFile }), poolSize };
}
