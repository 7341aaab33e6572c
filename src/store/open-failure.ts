import { resolve } from 'node:path';
import { isServiceError } from '../core/errors.js';
import { describePostgresError } from './database/postgres-faults.js';
import { toResultCode } from './database/sqlite-dialect.js';

type Advice = readonly (readonly [pattern: RegExp, whatToDo: string])[];

/** Matched against code and message. The code is a SQLSTATE or a system error such as ECONNREFUSED; some errors have none. */
const POSTGRES: Advice = [
  [
    /^28000 .*pg_hba/,
    'Admit this user and machine in pg_hba.conf of the server, or set the sslmode in the URL that it asks for.',
  ],
  [
    /^28|^SASL: /,
    'Correct the user of the URL, or the password in it or in DATABASE_PASSWORD_FILE.',
  ],
  [/^3D000/, 'Create it, with the user of the URL as its owner, or correct the URL.'],
  [/^42501/, 'Make the user of the URL the owner of the database.'],
  [/^53300/, 'Raise max_connections of the server, or set a smaller DATABASE_POOL_SIZE.'],
  [
    /query_wait_timeout/,
    'Raise default_pool_size of PgBouncer, or set a smaller DATABASE_POOL_SIZE.',
  ],
  [/statement pooling mode/, 'Set pool_mode=session in PgBouncer.'],
  [/^57P0[1-3]/, 'Start this process again when the server has started.'],
  [/SSL|TLS|CERT|SELF_SIGNED|VERIFY/, 'Correct sslmode and sslrootcert of the URL.'],
  // Errors without a SQLSTATE: no server has answered. (A statement that takes too long has one.)
  [
    /^(?:E[A-Z_]+|timeout|Connection terminated|Query read timeout)\b/,
    'Start the server, or correct the URL.',
  ],
];

/** Matched against the primary result code of SQLite, or the code of a system error. */
const SQLITE: Advice = [
  [
    /^(?:8|14|EACCES|EPERM|EROFS|ENOTDIR|EEXIST) /,
    'The user of this process must be able to write there.',
  ],
  [/^(?:13|ENOSPC) /, 'Make room on its disk.'],
  [/^[56] /, 'Another program has locked it; stop that program.'],
  [/^(?:11|26) /, 'It is damaged, or not an SQLite database: restore a backup.'],
];

/** Adds advice to the error of a PostgreSQL that cannot be used at the start. Returns an unknown error unchanged. */
export function toPostgresFailure(error: unknown, url: string): unknown {
  const { code = '', message } = describePostgresError(findCause(error));
  const advice = findAdvice(POSTGRES, `${code} ${message}`.trimStart());
  if (advice === undefined) return error;
  const { host, pathname } = new URL(url);
  return new Error(
    `DATABASE_URL: the database ${host}${pathname} cannot be used: ${message}. ${advice}`,
  );
}

/** Like `toPostgresFailure`, for the file of SQLite. */
export function toSqliteFailure(error: unknown, path: string): unknown {
  const cause = findCause(error);
  const { message, code = '' } = cause as NodeJS.ErrnoException;
  const advice = findAdvice(SQLITE, `${toResultCode(cause) ?? code} `);
  if (advice === undefined) return error;
  return new Error(
    `KEELSON_DATA: the database ${resolve(path)} cannot be opened: ${message}. ${advice}`,
  );
}

function findAdvice(advice: Advice, text: string): string | undefined {
  return advice.find(([pattern]) => pattern.test(text))?.[1];
}

function findCause(error: unknown): unknown {
  return isServiceError(error) && error.cause !== undefined ? error.cause : error;
}
