import { omitUndefined } from '../core/omit-undefined.js';
import { isLoopback, type Address } from './address.js';
import type { EnvironmentReader } from './environment.js';

export interface ApiConfig {
  readonly listen: Address;
  /** Serves only the routes that jobs call. Absent: jobs call the API's own address. */
  readonly jobListen?: Address;
  /** URL at which people reach the API. Absent: links use the address of the request. */
  readonly publicUrl?: string;
  /** URL at which jobs reach the API. Absent: derived from the address that serves jobs. */
  readonly jobUrl?: string;
  /** `loopback`: no authentication, so the API may listen only on loopback. */
  readonly auth:
    | { readonly kind: 'none' }
    | { readonly kind: 'tokens'; readonly file: string }
    | { readonly kind: 'loopback' };
  readonly maxBodyBytes: number;
  readonly maxListBytes: number;
}

export function parseApi(read: EnvironmentReader): ApiConfig {
  const listen = read.address('API_LISTEN') ?? { host: '127.0.0.1', port: 8080 };
  const auth = parseAuth(read);
  if (auth.kind === 'loopback' && !isLoopback(listen))
    throw new Error(
      `API_LISTEN: ${listen.host} is not a loopback address. Set AUTH_TOKENS_FILE, or AUTH=none if everybody who reaches it may use it.`,
    );
  return omitUndefined({
    listen,
    jobListen: read.address('JOB_LISTEN'),
    publicUrl: read.url('PUBLIC_URL'),
    jobUrl: read.url('JOB_API_URL'),
    auth,
    maxBodyBytes: read.integer('MAX_BODY_BYTES', { fallback: 16_777_216, minimum: 1 }),
    maxListBytes: read.integer('MAX_LIST_BYTES', { fallback: 268_435_456, minimum: 1 }),
  });
}

function parseAuth(read: EnvironmentReader): ApiConfig['auth'] {
  const file = read.file('AUTH_TOKENS_FILE');
  const auth = read.text('AUTH');
  if (auth !== undefined && auth !== 'none')
    throw new Error(`AUTH: "${auth}" is not known; the only value is "none".`);
  if (file !== undefined && auth !== undefined)
    throw new Error('AUTH and AUTH_TOKENS_FILE exclude each other.');
  if (file !== undefined) return { kind: 'tokens', file };
  return auth === 'none' ? { kind: 'none' } : { kind: 'loopback' };
}
