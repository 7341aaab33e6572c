import type { Session } from '../core/session.js';
import type { HostChanges, HostCursor, PhaseRecord, Store } from '../store/store.js';
import type { ApiMetrics } from '../metrics/api-metrics.js';
import { createLatch, type Latch } from './watch.js';

/** Each follower reads larger pieces of a log for itself: a follower that far behind has few others at the same offset. */
const SHARED_BYTES = 256 * 1024;
/** Reads of one session that are kept for its followers. Followers at the same offset need one at a time. */
const SHARED_READS = 4;
const HOSTS_PER_READ = 1_000;

export interface SessionState {
  /** Undefined if the record is gone. */
  readonly session: Session | undefined;
  /** Read after the session: if the session is complete, they are final. */
  readonly phases: readonly PhaseRecord[];
}

export interface Follower {
  look(): Promise<SessionState>;
  /** The stored bytes, at least up to `end`. */
  readLog(phase: string, offset: number, end: number): AsyncIterable<Uint8Array>;
  readHosts(phase: string, after: HostCursor): Promise<HostChanges>;
  /** Resolves when something may have changed since the last `look`, after `timeoutMs`, or when the signal aborts. */
  next(signal: AbortSignal, timeoutMs?: number): Promise<void>;
  close(): void;
}

export interface SessionFeed {
  follow(jobId: string): Follower;
}

interface Topic {
  readonly jobId: string;
  readonly latches: Set<Latch>;
  /** The state as read since the last change. */
  state: Promise<SessionState> | undefined;
  /** Begun after that state was read. */
  readonly reads: Map<string, Promise<unknown>>;
}

/** Gives all followers of a process one subscription, and one read of what several of them need at the same time. */
export function createSessionFeed(
  store: Store,
  metrics?: Pick<ApiMetrics, 'openFollower'>,
): SessionFeed {
  const topics = new Map<string, Topic>();
  let unsubscribe: (() => void) | undefined;

  function subscribe() {
    unsubscribe ??= store.subscribe((change) => {
      if (change.kind === 'any') for (const topic of topics.values()) renew(topic);
      if (change.kind === 'session') renew(topics.get(change.jobId));
    });
  }

  function leave(topic: Topic, latch: Latch) {
    topic.latches.delete(latch);
    if (topic.latches.size === 0) topics.delete(topic.jobId);
    if (topics.size > 0) return;
    unsubscribe?.();
    unsubscribe = undefined;
  }

  return {
    follow(jobId) {
      const topic = topics.get(jobId) ?? openTopic(jobId);
      topics.set(jobId, topic);
      // Other processes' changes are announced a little late, but a new follower must see all that was stored when it began.
      topic.state = undefined;
      const latch = createLatch();
      topic.latches.add(latch);
      subscribe();
      const uncount = metrics?.openFollower();
      return {
        look: () => look(store, topic),
        readLog: (phase, offset, end) => readLog(store, topic, phase, offset, end),
        readHosts: (phase, after) =>
          share(topic, `hosts ${phase} ${JSON.stringify(after)}`, () =>
            store.hosts.changes(jobId, phase, after, HOSTS_PER_READ),
          ),
        next: (signal, timeoutMs) => latch.next(signal, timeoutMs),
        close() {
          uncount?.();
          leave(topic, latch);
        },
      };
    },
  };
}

function openTopic(jobId: string): Topic {
  return { jobId, latches: new Set(), state: undefined, reads: new Map() };
}

function renew(topic: Topic | undefined): void {
  if (topic === undefined) return;
  topic.state = undefined;
  for (const latch of topic.latches) latch.wake();
}

async function look(store: Store, topic: Topic): Promise<SessionState> {
  const state = (topic.state ??= readState(store, topic));
  try {
    return await state;
  } catch (error) {
    if (topic.state === state) topic.state = undefined;
    throw error;
  }
}

async function readState(store: Store, { jobId, reads }: Topic): Promise<SessionState> {
  const session = await store.sessions.get(jobId);
  const phases = await store.phases.list(jobId);
  // Whoever gets this state must not get results from before it: if the session is complete, nothing is read later.
  reads.clear();
  return { session, phases };
}

async function* readLog(
  store: Store,
  topic: Topic,
  phase: string,
  offset: number,
  end: number,
): AsyncGenerator<Uint8Array, void, undefined> {
  const read = () => store.logs.read(topic.jobId, phase, offset);
  if (end - offset > SHARED_BYTES) yield* read();
  else
    yield* await share(topic, `log ${phase} ${offset} ${end}`, () => collect(read(), end - offset));
}

async function collect(chunks: AsyncIterable<Uint8Array>, size: number) {
  const collected: Uint8Array[] = [];
  let left = size;
  for await (const chunk of chunks) {
    collected.push(chunk);
    left -= chunk.length;
    if (left <= 0) break;
  }
  return collected;
}

async function share<T>(topic: Topic, key: string, read: () => Promise<T>): Promise<T> {
  const known = topic.reads.get(key) as Promise<T> | undefined;
  if (known !== undefined) return known;
  const [oldest] = topic.reads.keys();
  if (topic.reads.size >= SHARED_READS && oldest !== undefined) topic.reads.delete(oldest);
  const reading = read();
  topic.reads.set(key, reading);
  try {
    return await reading;
  } catch (error) {
    if (topic.reads.get(key) === reading) topic.reads.delete(key);
    throw error;
  }
}
