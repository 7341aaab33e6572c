import { Counter, Gauge, Histogram, type Registry } from 'prom-client';
import { REASONS } from '../core/errors.js';
import { isSuccess, type PhaseResult } from '../core/job.js';
import type { Session } from '../core/session.js';
import type { PhaseRecord, Store } from '../store/store.js';

/** Buckets from a short clone to a playbook on thousands of nodes. */
const PHASE_SECONDS = [1, 5, 15, 60, 300, 900, 1_800, 3_600, 7_200, 14_400, 43_200];

/** Returns the store with counters for what this process does with it. */
export function observeStore(store: Store, registry: Registry): Store {
  if (store.pool !== undefined) addPoolMetrics(registry, store.pool);
  return {
    ...store,
    logs: { ...store.logs, append: observeAppend(store, registry) },
    phases: { ...store.phases, seal: observeSeal(store, registry) },
    sessions: { ...store.sessions, ...observeEnds(store, registry) },
  };
}

function observeAppend({ logs }: Store, registry: Registry): Store['logs']['append'] {
  const bytes = new Counter({
    name: 'keelson_log_received_bytes_total',
    help: 'Bytes of log received from jobs; a repeated delivery counts again.',
    registers: [registry],
  });
  return async (...given) => {
    const result = await logs.append(...given);
    if (result.kind === 'stored') bytes.inc(given[3].length);
    return result;
  };
}

function observeSeal({ phases }: Store, registry: Registry): Store['phases']['seal'] {
  const durations = new Histogram({
    name: 'keelson_phase_duration_seconds',
    help: 'How long phases ran, by kind and how they ended.',
    labelNames: ['kind', 'result'],
    buckets: PHASE_SECONDS,
    registers: [registry],
  });
  return async (jobId, phase, result, at, logBytes) => {
    const isFirst = await phases.seal(jobId, phase, result, at, logBytes);
    if (!isFirst || result.kind === 'unstarted') return isFirst;
    // The phase is sealed even if it cannot be counted.
    const record = await phases.find(jobId, phase).catch(() => undefined);
    const seconds = record && toSeconds(record);
    if (seconds === undefined || record === undefined) return isFirst;
    durations.observe({ kind: record.kind, result: toResultLabel(result) }, seconds);
    return isFirst;
  };
}

/** Never negative, although the clock of another machine may be behind. */
function toSeconds({ startedAt, endedAt }: PhaseRecord): number | undefined {
  if (startedAt === undefined || endedAt === undefined) return undefined;
  return Math.max(0, Date.parse(endedAt) - Date.parse(startedAt)) / 1000;
}

function toResultLabel(result: Exclude<PhaseResult, { kind: 'unstarted' }>): string {
  if (result.kind === 'killed') return result.reason;
  return isSuccess(result) ? 'success' : 'failure';
}

type Ends = Pick<Store['sessions'], 'recordOutcome' | 'requestCancel' | 'patch'>;

/** Counts ended sessions, whatever ended them: a workflow, the sweep, a cancel before they began, or an external operator. */
function observeEnds({ sessions }: Store, registry: Registry): Ends {
  const ended = createEndCounter(registry);
  const count = ({ outcome }: Pick<Session, 'outcome'>) =>
    ended.inc({ succeeded: outcome?.succeeded ?? 'none', reason: outcome?.reason ?? '' });
  return {
    async recordOutcome(jobId, outcome, at) {
      const isFirst = await sessions.recordOutcome(jobId, outcome, at);
      if (isFirst) count({ outcome });
      return isFirst;
    },
    async requestCancel(name, wish) {
      const session = await sessions.requestCancel(name, wish);
      if (session.completedAt === wish.at) count(session);
      return session;
    },
    async patch(name, decide) {
      const before: Session[] = [];
      const session = await sessions.patch(name, (present) => {
        before.push(present);
        return decide(present);
      });
      if (before.at(-1)?.state !== 'complete' && session.state === 'complete') count(session);
      return session;
    },
  };
}

/** Starts each possible end at 0, because Prometheus sees no increase from an absent value. */
function createEndCounter(registry: Registry) {
  const ended = new Counter({
    name: 'keelson_sessions_ended_total',
    help: 'Sessions whose end this process recorded; not those that were deleted before they began.',
    labelNames: ['succeeded', 'reason'],
    registers: [registry],
  });
  ended.inc({ succeeded: 'true', reason: '' }, 0);
  for (const reason of REASONS) {
    ended.inc({ succeeded: reason === 'NO_HOSTS' ? 'true' : 'false', reason }, 0);
  }
  ended.inc({ succeeded: 'unknown', reason: 'JOB_LOST' }, 0);
  return ended;
}

function addPoolMetrics(registry: Registry, readPool: NonNullable<Store['pool']>): void {
  const registers = [registry];
  new Gauge({
    name: 'keelson_database_connections',
    help: 'Open connections of the pool, by whether they are in use.',
    labelNames: ['use'],
    registers,
    collect() {
      const { used, idle } = readPool();
      this.set({ use: 'used' }, used);
      this.set({ use: 'idle' }, idle);
    },
  });
  new Gauge({
    name: 'keelson_database_connections_max',
    help: 'Largest number of connections of the pool: DATABASE_POOL_SIZE.',
    registers,
    collect() {
      this.set(readPool().max);
    },
  });
  new Gauge({
    name: 'keelson_database_connections_awaited',
    help: 'Queries that wait for a connection of the pool.',
    registers,
    collect() {
      this.set(readPool().waiting);
    },
  });
}
