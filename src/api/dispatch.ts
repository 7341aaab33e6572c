import type { Orchestrator } from '../clients/interfaces.js';
import { toCancelRequest } from '../core/cancel-request.js';
import { isServiceError, type Fault } from '../core/errors.js';
import { toSessionStart } from '../core/session-start.js';
import type { Session } from '../core/session.js';
import type { Store } from '../store/store.js';
import { createBackoff, type Backoff } from './backoff.js';
import type { Logger } from './dependencies.js';
import { openWatch } from './watch.js';

const LEASE_MS = 30_000;
const AT_ONCE = 10;
/** The longest pause between two reads of wishes. */
const LOOK_MS = 60_000;
const PAUSE_MS = 200;
const REFUSED_MS = 10_000;

export interface DispatchDependencies {
  readonly store: Store;
  readonly orchestrator: Pick<Orchestrator, 'startSession' | 'cancelSession' | 'admitSession'>;
  readonly logger: Logger;
  readonly now: () => string;
}

export interface DispatchHealth {
  readonly inFlight: number;
  /** Whether the last attempt failed. */
  readonly isFailing: boolean;
}

export interface Dispatcher {
  start(): void;
  /** Resolves when the calls in flight have ended. */
  close(): Promise<void>;
  health(): DispatchHealth;
}

/**
 * Hands every recorded wish to Temporal: at once if it answers, later if it does not. Rows are taken by a lease, so any number
 * of processes may do this at the same time. It never throws: whatever fails is tried again.
 */
export function createDispatcher(deps: DispatchDependencies): Dispatcher {
  const backoff = createBackoff();
  const closing = new AbortController();
  const inFlight = new Set<Promise<void>>();
  let loop: Promise<void> = Promise.resolve();
  return {
    start() {
      loop = run({ ...deps, backoff, inFlight, signal: closing.signal });
    },
    async close() {
      closing.abort();
      await loop;
      await Promise.all(inFlight);
    },
    health: () => ({ inFlight: inFlight.size, isFailing: backoff.isFailing() }),
  };
}

interface Loop extends DispatchDependencies {
  readonly backoff: Backoff;
  readonly inFlight: Set<Promise<void>>;
  readonly signal: AbortSignal;
}

async function run(loop: Loop): Promise<void> {
  const watch = openWatch(loop.store, ({ kind }) => kind === 'wish');
  while (!loop.signal.aborted) {
    const sessions = await takeWishes(loop);
    for (const session of sessions) {
      const work = dispatch(loop, session).finally(() => {
        loop.inFlight.delete(work);
        watch.wake();
      });
      loop.inFlight.add(work);
    }
    if (sessions.length === 0) await watch.next(loop.signal, await findDelay(loop));
  }
  watch.close();
}

async function takeWishes(loop: Loop): Promise<readonly Session[]> {
  const limit = AT_ONCE - loop.inFlight.size;
  if (limit <= 0 || loop.backoff.delayMs() > 0) return [];
  const now = loop.now();
  try {
    return await loop.store.sessions.takeWishes({ now, leaseUntil: add(now, LEASE_MS), limit });
  } catch (error) {
    loop.logger.warn({ err: error }, 'wishes could not be read');
    loop.backoff.fail();
    return [];
  }
}

/** Milliseconds until the next wish may be due without a notice: a lease or a delay ends silently. */
async function findDelay({ store, backoff, inFlight, now, logger }: Loop): Promise<number> {
  if (backoff.delayMs() > 0) return backoff.delayMs();
  if (inFlight.size >= AT_ONCE) return LOOK_MS;
  try {
    const at = await store.sessions.nextWishAt();
    const dueMs = at === undefined ? LOOK_MS : Date.parse(at) - Date.parse(now());
    return Math.min(LOOK_MS, Math.max(PAUSE_MS, dueMs));
  } catch (error) {
    logger.warn({ err: error }, 'wishes could not be read');
    return backoff.fail();
  }
}

async function dispatch(loop: Loop, session: Session): Promise<void> {
  const { store, orchestrator, backoff, logger } = loop;
  const { jobId, desired, admissionDue, admittedAt } = session;
  try {
    if (session.dispatched === 'none') await orchestrator.startSession(toSessionStart(session));
    if (desired !== 'run') await orchestrator.cancelSession(jobId, toCancelRequest(session));
    if (admissionDue) await orchestrator.admitSession(jobId);
    const dispatched = desired === 'run' ? 'started' : 'cancelled';
    const told = admissionDue ? { toldOf: admittedAt } : undefined;
    await store.sessions.recordDispatched(jobId, dispatched, told);
    if (backoff.isFailing()) logger.info({}, 'wishes are dispatched again');
    backoff.succeed();
    logger.debug({ session: session.name, jobId, desired }, 'wish dispatched');
  } catch (error) {
    await giveBack(loop, session, error);
  }
}

/**
 * All wishes wait while Temporal does not answer; a wish that is refused waits alone. If it cannot be returned either, its
 * lease expires by itself.
 */
async function giveBack(loop: Loop, session: Session, error: unknown): Promise<void> {
  const { store, backoff, logger, now } = loop;
  const fields = { err: error, session: session.name, jobId: session.jobId };
  const isAway = isServiceError(error) && isRepeated(error.fault);
  if (!isAway) logger.error(fields, 'wish was refused, trying again');
  else if (!backoff.isFailing()) logger.warn(fields, 'wish could not be dispatched, trying again');
  try {
    const delayMs = isAway ? backoff.fail() : REFUSED_MS;
    await store.sessions.returnWish(session.jobId, add(now(), delayMs));
  } catch (storeError) {
    logger.warn({ ...fields, err: storeError }, 'wish could not be returned');
  }
}

function isRepeated(fault: Fault): boolean {
  return fault === 'unavailable' || fault === 'busy';
}

function add(iso: string, ms: number): string {
  return new Date(Date.parse(iso) + ms).toISOString();
}
