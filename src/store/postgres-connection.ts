import type { PostgresPool, PostgresPoolClient } from 'kysely';
import { type ClientConfig, Pool, types } from 'pg';
import { isUnfit } from './postgres-faults.js';
import { createNaming } from './postgres-naming.js';

export interface PostgresOptions {
  readonly url: string;
  /** Instead of the one in the URL. */
  readonly password?: string;
  /** Connections of this process, besides the one that listens. */
  readonly poolSize?: number;
  readonly timeouts?: Partial<typeof TIMEOUTS_MS>;
}

/** A request rather hears 503 than waits longer. */
const TIMEOUTS_MS = {
  /** To connect, and to get one of the pool's. */
  connect: 5_000,
  /** On the server; what waits for a lock ends first and says so. */
  lock: 8_000,
  statement: 10_000,
  /** In this process, for a server that says nothing at all. */
  answer: 12_000,
  /** A process that stands still inside a transaction loses its locks. */
  idleInTransaction: 30_000,
};
const POOL_SIZE = 10;

export function createPool(options: PostgresOptions, onError: (error: Error) => void): Pool {
  const timeouts = { ...TIMEOUTS_MS, ...options.timeouts };
  const pool = new Pool({
    ...toClientConfig(options),
    max: options.poolSize ?? POOL_SIZE,
    lock_timeout: timeouts.lock,
    statement_timeout: timeouts.statement,
    query_timeout: timeouts.answer,
    idle_in_transaction_session_timeout: timeouts.idleInTransaction,
  });
  // An idle connection that breaks is replaced by the next use; unheard, the event would end the process.
  // It carries the client, and that one the password, which belongs in no log.
  pool.on('error', (error) => onError(Object.assign(error, { client: undefined })));
  return pool;
}

/** One connection without limits of time: another process may migrate for long. */
export function createMigrationPool(options: PostgresOptions): Pool {
  const pool = new Pool({ ...toClientConfig(options), max: 1 });
  pool.on('error', () => undefined);
  return pool;
}

export function toClientConfig({ url, password, timeouts }: PostgresOptions): ClientConfig {
  return {
    connectionString: password === undefined ? url : withPassword(url, password),
    application_name: 'keelson',
    connectionTimeoutMillis: timeouts?.connect ?? TIMEOUTS_MS.connect,
    keepAlive: true,
    types: { getTypeParser },
  };
}

/** The pool as Kysely wants it. A connection that has failed as such is not used again, nor may its failing end the process. */
export function toKyselyPool(pool: Pool): PostgresPool {
  const toName = createNaming();
  return {
    options: {},
    async connect() {
      const client = await pool.connect();
      let isBroken = false;
      const onError = () => {
        isBroken = true;
      };
      client.on('error', onError);
      const query = async (sql: string, parameters: readonly unknown[]) => {
        // What follows a silence would wait as long again: the roll-back of what has failed.
        if (isBroken) throw new Error('Connection terminated');
        try {
          const name = toName(sql);
          return await client.query({ text: sql, values: [...parameters], ...(name && { name }) });
        } catch (error) {
          isBroken ||= isUnfit(error);
          throw error;
        }
      };
      return {
        query: query as unknown as PostgresPoolClient['query'],
        release(discard = false) {
          client.off('error', onError);
          client.release(discard || isBroken);
        },
      };
    },
    end: async () => {
      // Two instances of Kysely share the pool, and each ends it.
      if (!pool.ending) await pool.end();
    },
  };
}

/** Sizes and counts are far from 2^53. */
function getTypeParser(oid: Parameters<typeof types.getTypeParser>[0], format?: 'text' | 'binary') {
  return oid === types.builtins.INT8
    ? (text: string) => Number(text)
    : (types.getTypeParser(oid, format ?? 'text') as (text: string) => unknown);
}

function withPassword(url: string, password: string): string {
  const parsed = new URL(url);
  parsed.password = encodeURIComponent(password);
  return parsed.href;
}
