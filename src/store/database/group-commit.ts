import { setImmediate } from 'node:timers/promises';
import { type Kysely, sql, type Transaction } from 'kysely';
import type { Schema } from './schema.js';

/** The most changes that share a transaction, so that other processes get their turn. */
const MOST = 100;

export interface GroupCommit {
  readonly run: <T>(change: (db: Transaction<Schema>) => Promise<T>) => Promise<T>;
  /** Resolves when all changes so far are committed or have failed. */
  readonly settle: () => Promise<void>;
}

interface Waiting {
  /** Resolves to a function that answers the caller, to be called after the commit. */
  readonly run: (db: Transaction<Schema>) => Promise<() => void>;
  readonly fail: (error: unknown) => void;
}

/**
 * For a database with one writer, where each commit waits for the disk: changes that come at the same time share a
 * transaction. They run one after the other, each in a savepoint, so that one that fails is undone alone. No caller is
 * answered, not even with a failure, before the commit, because its change may have seen those of the others.
 */
export function createGroupCommit(writer: Kysely<Schema>): GroupCommit {
  const queue: Waiting[] = [];
  let running: Promise<void> | undefined;
  const drain = async () => {
    while (queue.length > 0) {
      // Lets changes that have arrived meanwhile join the group.
      await setImmediate();
      await commitGroup(writer, queue);
    }
    running = undefined;
  };
  return {
    run: (change) =>
      new Promise((resolve, reject) => {
        queue.push({ run: (db) => inSavepoint(db, change, resolve, reject), fail: reject });
        running ??= drain();
      }),
    settle: async () => running,
  };
}

async function commitGroup(writer: Kysely<Schema>, queue: Waiting[]): Promise<void> {
  const group: Waiting[] = [];
  try {
    const answers = await writer.transaction().execute(async (db) => {
      const done: (() => void)[] = [];
      for (let next = queue.shift(); next !== undefined; next = queue.shift()) {
        group.push(next);
        done.push(await next.run(db));
        if (group.length === MOST) break;
      }
      return done;
    });
    for (const answer of answers) answer();
  } catch (error) {
    // If the transaction could not even begin, the others that wait would fail too, so they fail at once.
    for (const { fail } of group.length > 0 ? group : queue.splice(0)) fail(error);
  }
}

/** Throws only if the whole transaction is lost. */
async function inSavepoint<T>(
  db: Transaction<Schema>,
  change: (db: Transaction<Schema>) => Promise<T>,
  resolve: (value: T) => void,
  reject: (error: unknown) => void,
): Promise<() => void> {
  await sql`savepoint change`.execute(db);
  try {
    const result = await change(db);
    await sql`release change`.execute(db);
    return () => resolve(result);
  } catch (error) {
    await undo(db, error);
    return () => reject(error);
  }
}

async function undo(db: Transaction<Schema>, reason: unknown): Promise<void> {
  try {
    await sql`rollback to change`.execute(db);
    await sql`release change`.execute(db);
  } catch {
    // A full disk ends the transaction with its savepoints. The caller needs the first error, which says why.
    throw reason;
  }
}
