import { readFile } from 'node:fs/promises';
import type { PostgresPool, PostgresPoolClient } from 'kysely';
import {
  Client,
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
  /** Has the password if the URL has none. Read for each connection, so that a new password needs no restart. */
  readonly passwordFile?: string;
  /** Connections of this process, besides the one that listens. */
  readonly poolSize?: number;
  readonly timeouts?: Partial<typeof TIMEOUTS_MS>;
}

/** A request is answered with 503 rather than waiting longer. */
const TIMEOUTS_MS = {
  /** To connect, or to get a connection from the pool. */
  connect: 5_000,
  /** For a lock on the server. Shorter than `statement`, so that the error names the lock. */
  lock: 8_000,
  statement: 10_000,
  /** Until this process gives up on a server that says nothing at all. */
  answer: 12_000,
  /** Until a process that hangs inside a transaction loses its locks. */
  idleInTransaction: 30_000,
};
const POOL_SIZE = 10;
/** Long, because requests may be rare, and the first queries of a new connection cost the server 10 ms. */
const IDLE_MS = 300_000;
/** Silence after which the operating system probes the connection, because a server that died says nothing. */
const KEEP_ALIVE_MS = 10_000;

export function createPool(options: PostgresOptions): Pool {
  const pool = new Pool({
    ...toConnectionSettings(options),
    max: options.poolSize ?? POOL_SIZE,
    idleTimeoutMillis: IDLE_MS,
  });
  // The pool replaces an idle connection that breaks, but without a listener this event would end the process. The connection
  // that listens for notices reports outages.
  pool.on('error', () => undefined);
  return pool;
}

export function toTimeouts({ timeouts }: PostgresOptions): typeof TIMEOUTS_MS {
  return { ...TIMEOUTS_MS, ...timeouts };
}

/** One connection, open until the pool ends, without limits on time: an index of a large table takes long. */
export function createMigrationPool(options: PostgresOptions): Pool {
  const pool = new Pool({
    ...toConnectionSettings(options),
    application_name: 'keelson-migration',
    max: 1,
    idleTimeoutMillis: 0,
  });
  pool.on('error', () => undefined);
  return pool;
}

/** `Client` is the class of the connections. A pool finds it in its settings. */
export interface ConnectionSettings extends ClientConfig {
  readonly Client: typeof Client;
}

export function toConnectionSettings(options: PostgresOptions): ConnectionSettings {
  const { url, passwordFile, timeouts } = options;
  return {
    Client: passwordFile === undefined ? Client : readingPassword(passwordFile),
    connectionString: url,
    application_name: 'keelson',
    connectionTimeoutMillis: timeouts?.connect ?? TIMEOUTS_MS.connect,
    keepAlive: true,
    keepAliveInitialDelayMillis: KEEP_ALIVE_MS,
    types: { getTypeParser },
  };
}

/** The pool as Kysely wants it. Without `timeouts` a query may take for ever. */
export function toKyselyPool(pool: Pool, timeouts?: typeof TIMEOUTS_MS): PostgresPool {
  const rules = { toName: createNaming(), answerMs: timeouts?.answer };
  // One wrapper per client: Kysely keeps state for each wrapper, which V8 frees only in a full garbage collection.
  const known = new WeakMap<PoolClient, PostgresPoolClient>();
  return {
    options: {},
    async connect() {
      const client = await pool.connect();
      const used = known.get(client);
      if (used !== undefined) return used;
      const wrapped = toKyselyClient(client, rules);
      if (timeouts !== undefined) await setTimeouts(wrapped, timeouts);
      known.set(client, wrapped);
      return wrapped;
    },
    end: async () => {
      // Two instances of Kysely share the pool, and each ends it.
      if (!pool.ending) await pool.end();
    },
  };
}

/** By a query, because poolers refuse parameters of a connection that they do not know. */
async function setTimeouts(client: PostgresPoolClient, timeouts: typeof TIMEOUTS_MS) {
  const { lock, statement, idleInTransaction } = timeouts;
  try {
    await client.query(
      `select set_config('lock_timeout', $1, false), set_config('statement_timeout', $2, false),
        set_config('idle_in_transaction_session_timeout', $3, false)`,
      [lock, statement, idleInTransaction].map(String),
    );
  } catch (error) {
    client.release(true);
    throw error;
  }
}

interface QueryRules {
  readonly toName: ReturnType<typeof createNaming>;
  /** How long to wait for an answer; undefined means for ever. */
  readonly answerMs: number | undefined;
}

/** A connection that broke is not used again, and its `error` event does not end the process. */
function toKyselyClient(client: PoolClient, { toName, answerMs }: QueryRules): PostgresPoolClient {
  let isBroken = false;
  client.on('error', () => {
    isBroken = true;
  });
  const query = async (sql: string, parameters: readonly unknown[]) => {
    // Else a rollback after a timeout would wait for the silent server just as long.
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
 * Uses a callback and a timer: with a promise, or with its own `query_timeout`, `pg` keeps a query and all its rows alive
 * until a full garbage collection, and so causes one every few hundred pages.
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

/** Parses int8 as a number: sizes and counts are far below 2^53. */
function getTypeParser(oid: Parameters<typeof types.getTypeParser>[0], format?: 'text' | 'binary') {
  return oid === types.builtins.INT8
    ? (text: string) => Number(text)
    : (types.getTypeParser(oid, format ?? 'text') as (text: string) => unknown);
}

/** Sets the password after the constructor, because there the empty password of a URL replaces every other. */
function readingPassword(file: string): typeof Client {
  return class extends Client {
    constructor(config?: string | ClientConfig) {
      super(config);
      Object.assign(this, { password: () => readPassword(file) });
    }
  };
}

async function readPassword(file: string): Promise<string> {
  return (await readFile(file, 'utf8')).replace(/\r?\n$/, '');
}
