import { createHash, timingSafeEqual } from 'node:crypto';
import type { MiddlewareHandler } from 'hono';
import { ServiceError } from '../core/errors.js';
import type { AccessToken, ApiDependencies, ApiEnv } from './dependencies.js';

export type Auth = ApiDependencies['auth'];

const OPEN_PATHS = /^(?:\/apis\/cfs)?\/healthz\/(?:live|ready)$/;
const READING = new Set(['GET', 'HEAD', 'OPTIONS']);

/** Requires a token whose role allows the request. Health probes send no token, so their paths are open. */
export function createAuthentication(auth: Auth): MiddlewareHandler<ApiEnv> {
  return async (c, next) => {
    if (auth.kind === 'open' || OPEN_PATHS.test(c.req.path)) {
      c.set('caller', 'api');
      c.set('mayGoOn', () => true);
    } else {
      const caller = authenticate(c.req.header('authorization'), auth.tokens);
      if (caller.role === 'read' && !READING.has(c.req.method)) {
        throw new ServiceError('forbidden', `The token "${caller.name}" may only read.`);
      }
      c.set('caller', caller.name);
      c.set('mayGoOn', () => auth.tokens.some(({ token }) => token === caller.token));
    }
    await next();
  };
}

/** Reads lines `<token> read|write <name>`; ignores empty ones and those that begin with `#`. Errors name the line. */
export function parseTokens(text: string): readonly AccessToken[] {
  return text.split('\n').flatMap((line, index) => {
    if (/^\s*(?:#|$)/.test(line)) return [];
    const match = /^(?<token>\S{16,}) +(?<role>read|write) +(?<name>\S+)\s*$/.exec(line)?.groups;
    if (match === undefined) {
      throw new Error(
        `Line ${index + 1} of the tokens is not "<token of at least 16 characters> read|write <name>".`,
      );
    }
    const { token = '', role, name = '' } = match;
    return [{ token, role: role === 'write' ? 'write' : 'read', name } as const];
  });
}

/** Reads the token of an `Authorization` header; throws `unauthenticated` if there is none. */
export function readBearer(header: string | undefined): string {
  const token = /^Bearer +(?<token>\S+) *$/i.exec(header ?? '')?.groups?.['token'];
  if (token === undefined) throw new ServiceError('unauthenticated', 'A bearer token is required.');
  return token;
}

/** Compares in constant time, so that the time reveals nothing about a secret. */
export function isSameSecret(one: string, other: string): boolean {
  return timingSafeEqual(toDigest(one), toDigest(other));
}

function authenticate(header: string | undefined, tokens: readonly AccessToken[]): AccessToken {
  const given = readBearer(header);
  const known = tokens.filter(({ token }) => isSameSecret(token, given)).at(0);
  if (known === undefined) throw new ServiceError('unauthenticated', 'The token is not known.');
  return known;
}

function toDigest(secret: string): Buffer {
  return createHash('sha256').update(secret).digest();
}
