import { invalid, missing, ServiceError } from '../../core/errors.js';

/** https://www.postgresql.org/docs/current/errcodes-appendix.html */
const FOREIGN_KEY = '23503';
const READ_ONLY = '25006';
const DISK_FULL = '53100';
/** Reads still work. */
const TAKES_NOTHING = [READ_ONLY, DISK_FULL];
const DEADLOCK = '40P01';
const LOCK_TIMEOUT = '55P03';
/** Text that PostgreSQL cannot store, because it has a NUL character. */
const NO_TEXT = ['22021', '22P05'];

const away = [
  /^08/, // connection
  /^28/, // authorisation
  /^3D000$/, // no such database
  /^40/, // deadlock, serialisation
  /^53/, // disk, memory, connections
  /^55/, // lock, starting or on stand-by
  /^57/, // shutdown, crash, time-out
  /^58/, // files of the server
  /^25(006|P0[1-4])$/, // read-only; no longer in a transaction
];

/** Messages of errors that `pg` throws without a code. */
const brokenMessages = [
  'Client has encountered a connection error and is not queryable',
  'Client was closed and is not queryable',
  'Connection terminated',
  'Connection terminated due to connection timeout',
  'Connection terminated unexpectedly',
  'Query read timeout',
  'The server does not support SSL connections',
  'timeout exceeded when trying to connect',
  'timeout expired',
];

export function toFault(error: unknown): ServiceError | undefined {
  const { code, message } = describePostgresError(error);
  if (code === FOREIGN_KEY) return missing('Session', 'of this job');
  if (code !== undefined && NO_TEXT.includes(code)) {
    return invalid('The database cannot store text with a NUL character.');
  }
  if (isAway(code, message)) {
    const fact = TAKES_NOTHING.includes(code ?? '') ? 'can store nothing' : 'does not answer';
    return new ServiceError('unavailable', `The database ${fact}: ${message}`, {
      cause: error,
    });
  }
  return undefined;
}

export function isDeadlock(error: unknown): boolean {
  return describePostgresError(error).code === DEADLOCK;
}

export function isLockTimeout(error: unknown): boolean {
  return describePostgresError(error).code === LOCK_TIMEOUT;
}

/** The connection is useless from now on: it is broken or silent, or its server takes no writes any more. */
export function isUnfit(error: unknown): boolean {
  const { code, message } = describePostgresError(error);
  if (code === undefined) return brokenMessages.includes(message);
  return code === READ_ONLY || /^(08|57P)/.test(code) || isSystemCode(code);
}

function isAway(code: string | undefined, message: string): boolean {
  if (code === undefined) return brokenMessages.includes(message);
  return isSystemCode(code) || away.some((pattern) => pattern.test(code));
}

/** A code of the system or of TLS, such as `ECONNREFUSED`. A SQLSTATE has digits. */
function isSystemCode(code: string): boolean {
  return /^(E(?!RR_)|ERR_(TLS|SSL)|CERT_|SELF_SIGNED_|UNABLE_TO_|DEPTH_ZERO_)[A-Z_]+$/.test(code);
}

export function describePostgresError(error: unknown): {
  readonly code?: string;
  readonly message: string;
} {
  if (typeof error !== 'object' || error === null) return { message: String(error) };
  const message = 'message' in error ? String(error.message) : '';
  const code = 'code' in error && typeof error.code === 'string' ? error.code : undefined;
  // An error for several addresses has no message of its own. The first one says why.
  if (message === '' && 'errors' in error && Array.isArray(error.errors)) {
    return { ...describePostgresError(error.errors[0]), ...(code === undefined ? {} : { code }) };
  }
  return code === undefined ? { message } : { code, message };
}
