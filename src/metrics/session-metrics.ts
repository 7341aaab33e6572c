import { Gauge, type Registry } from 'prom-client';
import type { SessionCount, Store } from '../store/store.js';
import { createReading } from './reading.js';

/** Counting open sessions takes milliseconds; counting all that ended takes seconds if there are a million. */
const OPEN_AGE_MS = 5_000;
const ENDED_AGE_MS = 60_000;

interface Logger {
  warn(fields: object, message: string): void;
}

/** Metrics of all sessions, from the database, so every API process serves the same. They are absent while it is away. */
export function addSessionMetrics(registry: Registry, store: Store, logger: Logger): void {
  const onError = (error: unknown) => logger.warn({ err: error }, 'metrics could not be read');
  const open = createReading(() => readOpen(store), OPEN_AGE_MS, onError);
  const ended = createReading(() => readEnded(store), ENDED_AGE_MS, onError);
  const add = (name: string, help: string, read: () => Promise<number | undefined>) =>
    new Gauge({
      name,
      help,
      registers: [registry],
      async collect() {
        const value = await read();
        if (value === undefined) this.remove();
        else this.set(value);
      },
    });
  addSessionCounts(registry, async () => {
    const [now, before] = await Promise.all([open.latest(), ended.latest()]);
    return [...toCounts(now), ...(before?.counts ?? []).map(toCompleteCount)];
  });
  add(
    'keelson_sessions_queued',
    'Sessions that wait for one of max_running_sessions places.',
    async () => (await open.latest())?.queued,
  );
  add(
    'keelson_sessions_waiting_for_hosts',
    'Sessions that wait for hosts of another session (host_locks).',
    async () => (await open.latest())?.behind,
  );
  add(
    'keelson_hosts_silent',
    'Hosts that have said nothing in one task for longer than host_silent_after.',
    async () => (await open.latest())?.silent,
  );
  add(
    'keelson_dispatch_wishes_waiting',
    'Starts, cancels and admissions that Temporal has not acknowledged yet.',
    async () => (await open.latest())?.wishes,
  );
  add(
    'keelson_log_stored_bytes',
    'Size of all logs in the database, compressed.',
    async () => (await ended.latest())?.logBytes,
  );
  add('keelson_database_up', 'Whether the database answers.', async () =>
    (await open.latest()) === undefined ? 0 : 1,
  );
}

type OpenCounts = Awaited<ReturnType<typeof readOpen>>;

interface Count {
  readonly state: string;
  readonly succeeded: string;
  readonly reason: string;
  readonly count: number;
}

function addSessionCounts(registry: Registry, read: () => Promise<readonly Count[]>): void {
  new Gauge({
    name: 'keelson_sessions',
    help: 'Sessions that are not deleted, by state, and how they ended.',
    labelNames: ['state', 'succeeded', 'reason'],
    registers: [registry],
    async collect() {
      const counts = await read();
      this.reset();
      for (const { count, ...labels } of counts) this.set(labels, count);
    },
  });
}

async function readOpen({ sessions, admission, phases }: Store) {
  const [counts, queued, behind, wishes, silent] = await Promise.all([
    sessions.countOpen(),
    admission.countQueued(),
    admission.countBehind(),
    sessions.countWishes(),
    phases.countSilentHosts(),
  ]);
  return { ...counts, queued, behind, wishes, silent };
}

async function readEnded({ sessions, retention }: Store) {
  return { counts: await sessions.countComplete(), logBytes: await retention.logStoreBytes() };
}

function toCounts(open: OpenCounts | undefined): readonly Count[] {
  if (open === undefined) return [];
  const unknown = { succeeded: 'none', reason: '' };
  return [
    { state: 'pending', ...unknown, count: open.pending },
    { state: 'running', ...unknown, count: open.running },
  ];
}

function toCompleteCount({ succeeded, reason, count }: SessionCount): Count {
  return { state: 'complete', succeeded, reason: reason ?? '', count };
}
