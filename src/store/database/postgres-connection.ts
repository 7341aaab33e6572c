import type { PostgresPool, PostgresPoolClient } from 'kysely';
import {
  type ClientConfig,
  Pool,
  type PoolClient,
  type QueryConfig,
  type QueryResult,
  types,
} from 'pg';
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
  /** To connect, or to get a connection from the pool. */
  connect: 5_000,
  /** For a lock, on the server. It ends before `statement` does, so that the error names the lock. */
  lock: 8_000,
  statement: 10_000,
  /** Until this process gives up a server that says nothing at all. */
  answer: 12_000,
  /** Until a process that stands still inside a transaction loses its locks. */
  idleInTransaction: 30_000,
};
const POOL_SIZE = 10;
/** People ask now and then, and the first queries of a new connection cost the server 10 ms. */
const IDLE_MS = 300_000;
/** After so much silence the operating system asks whether the server is still there, for a server that died says nothing. */
const KEEP_ALIVE_MS = 10_000;

export function createPool(options: PostgresOptions): Pool {
  const timeouts = toTimeouts(options);
  const pool = new Pool({
    ...toClientConfig(options),
    max: options.poolSize ?? POOL_SIZE,
    idleTimeoutMillis: IDLE_MS,
    lock_timeout: timeouts.lock,
    statement_timeout: timeouts.statement,
    idle_in_transaction_session_timeout: timeouts.idleInTransaction,
  });
  // An idle connection that breaks is replaced at the next use, but without a listener the event would end the process. The
  // connection that listens tells that the server is away.
  pool.on('error', () => undefined);
  return pool;
}

export function toTimeouts({ timeouts }: PostgresOptions): typeof TIMEOUTS_MS {
  return { ...TIMEOUTS_MS, ...timeouts };
}

/** One connection, until the pool ends, whose statements may take any time: an index of a large table does. */
export function createMigrationPool(options: PostgresOptions): Pool {
  const pool = new Pool({
    ...toClientConfig(options),
    application_name: 'keelson-migration',
    max: 1,
    idleTimeoutMillis: 0,
  });
  pool.on('error', () => undefined);
  return pool;
}

export function toClientConfig({ url, password, timeouts }: PostgresOptions): ClientConfig {
  return {
    connectionString: password === undefined ? url : withPassword(url, password),
    application_name: 'keelson',
    connectionTimeoutMillis: timeouts?.connect ?? TIMEOUTS_MS.connect,
    keepAlive: true,
    keepAliveInitialDelayMillis: KEEP_ALIVE_MS,
    types: { getTypeParser },
  };
}

/** The pool as Kysely wants it. */
export function toKyselyPool(pool: Pool, answerMs?: number): PostgresPool {
  const rules = { toName: createNaming(), answerMs };
  // The same each time: Kysely keeps what it makes of each, and V8 forgets that only when it looks through its whole heap.
  const known = new WeakMap<PoolClient, PostgresPoolClient>();
  return {
    options: {},
    async connect() {
      const client = await pool.connect();
      const wrapped = known.get(client) ?? toKyselyClient(client, rules);
      known.set(client, wrapped);
      return wrapped;
    },
    end: async () => {
      // Two instances of Kysely share the pool, and each ends it.
      if (!pool.ending) await pool.end();
    },
  };
}

interface QueryRules {
  readonly toName: ReturnType<typeof createNaming>;
  /** How long this process waits for an answer; undefined: for ever. */
  readonly answerMs: number | undefined;
}

/** A connection that has failed as such is not used again, nor may its failing end the process. */
function toKyselyClient(client: PoolClient, { toName, answerMs }: QueryRules): PostgresPoolClient {
  let isBroken = false;
  client.on('error', () => {
    isBroken = true;
  });
  const query = async (sql: string, parameters: readonly unknown[]) => {
    // A roll-back after a time-out would wait for the silent server as long again.
    if (isBroken) throw new Error('Connection terminated');
    try {
      const name = toName(sql);
      const asked = { text: sql, values: [...parameters], ...(name && { name }) };
      return await ask(client, asked, answerMs);
    } catch (error) {
      isBroken ||= isUnfit(error);
      throw error;
    }
  };
  return {
    query: query as unknown as PostgresPoolClient['query'],
    release: (discard = false) => client.release(discard || isBroken),
  };
}

/**
 * With a callback and a time limit of ours: what `pg` makes of a query with a promise or a limit of its own, all rows with it,
 * stays until V8 looks through its whole heap, and so that comes every few hundred pages.
 */
function ask(client: PoolClient, query: QueryConfig, answerMs?: number): Promise<QueryResult> {
  return new Promise((resolve, reject) => {
    const late = answerMs && setTimeout(() => reject(new Error('Query read timeout')), answerMs);
    client.query(query, (error, result) => {
      clearTimeout(late);
      if (error as Error | null) reject(error);
      else resolve(result);
    });
  });
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
