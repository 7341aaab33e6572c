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

type Run = (db: Transaction<Schema>) => Promise<() => void>;

interface Waiting {
  /** Resolves to a function that answers the caller, to be called after the commit. */
  readonly run: Run;
  /** `run` in a savepoint. If the change fails, only it is undone, and the function tells the caller why. */
  readonly runApart: Run;
  readonly fail: (error: unknown) => void;
}

/**
 * For a database with one writer, where each commit waits for the disk: changes that come at the same time share a
 * transaction, in which they run one after the other. No caller is answered, not even with a failure, before the commit,
 * because its change may have seen those of the others. If one fails, all run again in savepoints, so that it is undone
 * alone. Not from the start, because in a savepoint SQLite keeps a copy of every page that it changes, which takes longer
 * than most changes.
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
        queue.push({
          run: (db) => runWithin(db, change, resolve),
          runApart: (db) => runInSavepoint(db, change, resolve, reject),
          fail: reject,
        });
        running ??= drain();
      }),
    settle: async () => running,
  };
}

async function commitGroup(writer: Kysely<Schema>, queue: Waiting[]): Promise<void> {
  const group: Waiting[] = [];
  try {
    await commit(writer, 'run', join(group, queue));
  } catch (error) {
    // If the transaction could not even begin, the others that wait would fail too, so they fail at once.
    if (!(error instanceof FailedChange))
      failAll(group.length > 0 ? group : queue.splice(0), error);
    else if (group.length === 1) failAll(group, error.cause);
    else await commitApart(writer, group, queue);
  }
}

/** With those that wait, because otherwise each failure would end a group, and cost a commit. */
async function commitApart(
  writer: Kysely<Schema>,
  group: Waiting[],
  queue: Waiting[],
): Promise<void> {
  try {
    await commit(writer, 'runApart', join(group, queue));
  } catch (error) {
    failAll(group, error);
  }
}

async function commit(
  writer: Kysely<Schema>,
  way: 'run' | 'runApart',
  group: Iterable<Waiting>,
): Promise<void> {
  const answers = await writer.transaction().execute(async (db) => {
    const done: (() => void)[] = [];
    for (const waiting of group) done.push(await waiting[way](db));
    return done;
  });
  for (const answer of answers) answer();
}

/** The changes of the group, and then those that wait, also those that come meanwhile, which join it until it is full. */
function* join(group: Waiting[], queue: Waiting[]): Generator<Waiting> {
  yield* group;
  while (group.length < MOST) {
    const next = queue.shift();
    if (next === undefined) return;
    group.push(next);
    yield next;
  }
}

function failAll(waiting: readonly Waiting[], error: unknown): void {
  for (const { fail } of waiting) fail(error);
}

/** The change failed, and not the transaction. Why is in `cause`. */
class FailedChange extends Error {}

async function runWithin<T>(
  db: Transaction<Schema>,
  change: (db: Transaction<Schema>) => Promise<T>,
  resolve: (value: T) => void,
): Promise<() => void> {
  try {
    const result = await change(db);
    return () => resolve(result);
  } catch (cause) {
    throw new FailedChange('A change failed.', { cause });
  }
}

/** Throws only if the whole transaction is lost. */
async function runInSavepoint<T>(
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
