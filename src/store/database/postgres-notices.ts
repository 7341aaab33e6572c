import { setTimeout as delay } from 'node:timers/promises';
import type { Client } from 'pg';
import type { Change } from '../store.js';
import type { ConnectionSettings } from './postgres-connection.js';
import { describePostgresError } from './postgres-faults.js';

/** Called when the server stops answering, once for each reason, and once when it answers again. */
export interface Outage {
  readonly onAway: (error: unknown) => void;
  readonly onBack: () => void;
}

/** Carries changes from process to process. */
export interface Notices {
  /** Tells the others, now or when the connection is back. */
  announce(changes: readonly Change[]): void;
  /** Calls back with what others have announced, and with `any` if something may have been missed. */
  watch(onChange: (change: Change) => void): () => void;
  /** The process of the server that serves its connection. Undefined while there is none. */
  serverProcess(): number | undefined;
  /** Announces pending changes first. */
  close(): Promise<void>;
}

const CHANNEL = 'keelson';
/** If more changes than this wait to be announced, one `any` replaces them. */
const MOST_PENDING = 1_000;
/** How long changes are gathered, because a notice costs this process and the server about as much as a write. */
const GATHER_MS = 10;
const BACKOFF_MS = { first: 100, most: 5_000 };
const ANSWER_TIMEOUT_MS = 5_000;
const END_TIMEOUT_MS = 1_000;
/** The longest time until a dead connection is noticed, or a change that a killed process did not announce. */
const BEAT_MS = 20_000;

/** Then LISTEN hears nothing, and the lock of a migration is not freed at the end of its connection. */
export const SHARED_CONNECTION =
  'DATABASE_URL: a pooler gives each transaction another connection to the server. ' +
  'Have it give each client one of its own (PgBouncer: pool_mode=session), or connect to the server directly.';

/**
 * LISTEN and NOTIFY over a connection of their own, which is opened again when it breaks. Changes are announced after their
 * commit, many at once: a transaction that notifies holds a lock on the whole server while it commits, so writers would
 * commit one by one. If a process dies after a commit, the beat of the others finds what it did not announce.
 */
export async function openNotices(
  settings: ConnectionSettings,
  { onAway, onBack }: Outage,
): Promise<Notices> {
  const listeners = new Set<{ readonly notify: (change: Change) => void }>();
  const tell = (change: Change) => listeners.forEach(({ notify }) => notify(change));
  const outbox = createOutbox();
  const closing = new AbortController();
  /** Reasons reported since the server went away. The first often says only that a connection has ended. */
  const reasons = new Set<string>();
  const tried = Promise.withResolvers<undefined>();
  let serverProcess: number | undefined;
  const onListening = (processId: number) => {
    serverProcess = processId;
    if (reasons.size > 0) onBack();
    reasons.clear();
    tried.resolve(undefined);
  };
  const talk = (client: Client, ended: AbortSignal) =>
    talkTo(client, { outbox, tell, onListening, signal: AbortSignal.any([ended, closing.signal]) });
  const running = repeat(closing.signal, () =>
    withConnection(settings, talk).catch((error: unknown) => {
      const { code, message } = describePostgresError(error);
      const reason = code ?? message;
      if (!reasons.has(reason)) onAway(error);
      reasons.add(reason);
      serverProcess = undefined;
      tried.resolve(undefined);
    }),
  );
  await tried.promise;
  return {
    announce: (changes) => outbox.add(changes),
    watch(notify) {
      const entry = { notify };
      listeners.add(entry);
      return () => listeners.delete(entry);
    },
    serverProcess: () => serverProcess,
    async close() {
      await outbox.flush();
      closing.abort();
      await running;
    },
  };
}

interface Outbox {
  add(changes: readonly Change[]): void;
  flush(): Promise<void>;
  /** Sends through this client until the next call. */
  open(client: Client | undefined): Promise<void>;
}

/** Gathers changes while a notification is being sent, and a moment longer. Equal ones are sent once. */
function createOutbox(): Outbox {
  const pending = new Set<string>();
  let client: Client | undefined;
  let sending: Promise<void> = Promise.resolve();
  const send = async () => {
    if (client === undefined || pending.size === 0) return;
    const payloads = [...pending];
    pending.clear();
    try {
      await client.query('select pg_notify($1, payload) from unnest($2::text[]) as payload', [
        CHANNEL,
        payloads,
      ]);
      await delay(GATHER_MS);
    } catch {
      for (const payload of payloads) pending.add(payload);
    }
  };
  const flush = () => (sending = sending.then(send));
  return {
    add(changes) {
      for (const change of changes) pending.add(renderNotice(change));
      if (pending.size > MOST_PENDING) {
        pending.clear();
        pending.add(renderNotice({ kind: 'any' }));
      }
      void flush();
    },
    flush,
    open(next) {
      client = next;
      return flush();
    },
  };
}

interface Talk {
  readonly outbox: Outbox;
  readonly tell: (change: Change) => void;
  readonly onListening: (serverProcess: number) => void;
  readonly signal: AbortSignal;
}

async function talkTo(client: Client, { outbox, tell, onListening, signal }: Talk): Promise<void> {
  // Asked for, because a pooler makes up the number that comes with the connection.
  const own = await findServerProcess(client);
  client.on('notification', ({ payload = '', processId }) => {
    // This process has told its own listeners already.
    if (processId !== own) tell(parseNotice(payload));
  });
  // A notice need not be on the disk before the server answers.
  await client.query('set synchronous_commit to off');
  await client.query(`listen ${CHANNEL}`);
  tell({ kind: 'any' });
  onListening(own);
  try {
    await outbox.open(client);
    while (await isStillOpen(signal)) {
      if ((await findServerProcess(client)) !== own) throw new Error(SHARED_CONNECTION);
      tell({ kind: 'any' });
    }
  } finally {
    await outbox.open(undefined);
  }
}

async function findServerProcess(client: Client): Promise<number> {
  const { rows } = await client.query<{ pid: number }>('select pg_backend_pid() as pid');
  return rows[0]?.pid ?? 0;
}

/** Resolves to false as soon as the signal aborts, or to true after a beat. */
async function isStillOpen(signal: AbortSignal): Promise<boolean> {
  await delay(BEAT_MS, undefined, { signal }).catch(() => undefined);
  return !signal.aborted;
}

async function withConnection(
  settings: ConnectionSettings,
  act: (client: Client, ended: AbortSignal) => Promise<void>,
): Promise<void> {
  const client = new settings.Client({ ...settings, query_timeout: ANSWER_TIMEOUT_MS });
  const ended = new AbortController();
  let loss: unknown;
  client.on('error', (error) => {
    loss ??= error;
    ended.abort();
  });
  client.on('end', () => ended.abort());
  try {
    await client.connect();
    await act(client, ended.signal);
  } finally {
    await Promise.race([client.end(), delay(END_TIMEOUT_MS, undefined, { ref: false })]);
  }
  if (loss !== undefined) throw loss as Error;
}

/** Repeats `act` with a back-off, which begins anew when `act` has lasted for a while. */
async function repeat(signal: AbortSignal, act: () => Promise<void>): Promise<void> {
  let waitMs = BACKOFF_MS.first;
  while (!signal.aborted) {
    const startedAt = Date.now();
    await act();
    if (Date.now() - startedAt > BACKOFF_MS.most) waitMs = BACKOFF_MS.first;
    await delay(waitMs * (0.5 + Math.random() / 2), undefined, { signal }).catch(() => undefined);
    waitMs = Math.min(BACKOFF_MS.most, waitMs * 2);
  }
}

function renderNotice(change: Change): string {
  return change.kind === 'session' ? `session ${change.jobId}` : change.kind;
}

/** An unknown notice, which a later version has sent, may be about anything. */
function parseNotice(payload: string): Change {
  const [kind, jobId] = payload.split(' ');
  if (kind === 'session' && jobId !== undefined) return { kind, jobId };
  return kind === 'wish' || kind === 'end' ? { kind } : { kind: 'any' };
}
