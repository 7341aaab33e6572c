import { Hono, type Context, type MiddlewareHandler } from 'hono';
import { invalid, missing, ServiceError } from '../../core/errors.js';
import type { Session } from '../../core/session.js';
import { describeSilence } from '../../core/silence.js';
import { limitTime } from '../../core/time-limit.js';
import type { PhaseRecord, SilenceReport, Store } from '../../store/store.js';
import { isSameSecret, readBearer } from '../auth.js';
import { limitConcurrency } from '../concurrency.js';
import { readDelivery, readJsonDelivery } from '../delivery-body.js';
import type { ApiDependencies } from '../dependencies.js';
import { toJobToken } from '../job-token.js';
import { addMethodRefusals } from '../methods.js';
import { answerProblem } from '../problem.js';
import { isAbout, openWatch } from '../watch.js';
import {
  fromHoldDelivery,
  fromHostDelivery,
  fromPhaseDelivery,
  HoldDelivery,
  fromWaitDelivery,
  HostDelivery,
  PhaseDelivery,
  fromSilenceDelivery,
  SilenceDelivery,
  WaitDelivery,
} from '../wire/delivery.js';

const MAX_WAIT_SECONDS = 25;
/** Deliveries at once, because each may hold a body in memory. Further ones are refused as `busy`. */
const MAX_DELIVERIES = 64;
/** Reports of silence per phase that go to the workflow, because its history has a limited size. */
const LAST_SHOWN_SILENCE = 200;
const PATH = '/jobs/:job/phases/:phase';

export type JobDependencies = Pick<
  ApiDependencies,
  'store' | 'logger' | 'masterKey' | 'metrics' | 'now' | 'tellWaiting'
>;

/** The protocol between a job and the API. Requests may be repeated, late or out of order. */
export function createJobRoutes(deps: JobDependencies): Hono {
  const { store, masterKey } = deps;
  const routes = new Hono();
  const authenticated = authenticateJob(masterKey);
  routes.use(PATH, authenticated);
  routes.use(`${PATH}/*`, authenticated);
  addDeliveryRoutes(routes, deps);
  routes.get(`${PATH}/hold`, (c) => awaitRelease(deps, c));
  // Also answers HEAD, which Hono routes like GET.
  routes.get(`${PATH}/log`, async (c) => {
    const { logBytes } = await findDelivered(store, c);
    return c.body(null, 204, { 'Upload-Offset': String(logBytes) });
  });
  addMethodRefusals(routes);
  return routes;
}

function addDeliveryRoutes(routes: Hono, { store, now, tellWaiting }: JobDependencies): void {
  const bounded = limitConcurrency(MAX_DELIVERIES, 'deliveries');
  routes.put(PATH, bounded, async (c) => {
    const { jobId, name } = await openDelivery(store, c);
    const report = await readJsonDelivery(c, PhaseDelivery);
    await store.phases.report(jobId, name, fromPhaseDelivery(report));
    return c.body(null, 204);
  });
  routes.patch(`${PATH}/log`, bounded, (c) => appendLog(store, c));
  routes.put(`${PATH}/hosts`, bounded, async (c) => {
    const { jobId, name } = await openDelivery(store, c);
    const results = await readJsonDelivery(c, HostDelivery);
    await store.hosts.save(jobId, name, fromHostDelivery(results, now()));
    return c.body(null, 204);
  });
  routes.put(`${PATH}/hold`, bounded, async (c) => {
    const { jobId, name } = await openDelivery(store, c);
    const hold = await readJsonDelivery(c, HoldDelivery);
    const at = now();
    await store.phases.hold(jobId, name, fromHoldDelivery(hold, at), at);
    return c.body(null, 204);
  });
  routes.put(`${PATH}/silence`, bounded, async (c) => {
    const { jobId, name } = await openDelivery(store, c);
    const report = fromSilenceDelivery(await readJsonDelivery(c, SilenceDelivery));
    const turn = await store.phases.tellSilence(jobId, name, report);
    // Only for the Web UI, as with waits below. It shows when a silence begins and ends, not how it changes.
    if (turn !== undefined && turn.begun <= LAST_SHOWN_SILENCE)
      void tellWaiting?.(jobId, toSilenceText(report, now())).catch(() => undefined);
    return c.body(null, 204);
  });
  routes.put(`${PATH}/wait`, bounded, async (c) => {
    const { jobId, name } = await openDelivery(store, c);
    const told = await readJsonDelivery(c, WaitDelivery);
    const wait = fromWaitDelivery(told, name);
    const isFirst = (await store.sessions.get(jobId))?.waiting === undefined;
    if (told.over) await store.sessions.recordWaitEnd(jobId, wait);
    else await store.sessions.recordWait(jobId, wait);
    // Only for the Web UI, so a failure does not matter. The workflow's history is limited, so only the first wait is sent.
    if (!told.over && !isFirst) return c.body(null, 204);
    void tellWaiting?.(jobId, told.over ? '' : wait.message).catch(() => undefined);
    return c.body(null, 204);
  });
}

function toSilenceText({ silence }: SilenceReport, now: string): string {
  return silence === undefined ? '' : `${describeSilence(silence)} (As of ${now}.)`;
}

function authenticateJob(masterKey: Uint8Array): MiddlewareHandler {
  return async (c, next) => {
    const expected = toJobToken(masterKey, c.req.param('job') ?? '');
    if (!isSameSecret(readBearer(c.req.header('authorization')), expected)) {
      throw new ServiceError('unauthenticated', 'The token is not that of this job.');
    }
    await next();
  };
}

/** Finds the phase that delivers; throws `gone` if its session is complete. */
async function findDelivered(store: Store, c: Context): Promise<PhaseRecord> {
  const jobId = c.req.param('job') ?? '';
  const name = c.req.param('phase') ?? '';
  const session = await store.sessions.get(jobId);
  if (session === undefined) throw missing('Job', jobId);
  const phase = await store.phases.find(jobId, name);
  if (phase === undefined) throw await explainMissing(store, session, name);
  if (session.state === 'complete') throw new ServiceError('gone', 'The session is complete.');
  return phase;
}

/** A restored record may be older than its job, and lack the plan until a worker takes the job over. */
async function explainMissing(
  store: Store,
  { jobId, state }: Session,
  phase: string,
): Promise<ServiceError> {
  const isPlanned = state === 'complete' || (await store.phases.list(jobId)).length > 0;
  return isPlanned
    ? missing('Phase', phase)
    : new ServiceError('unavailable', `No worker has taken over job ${jobId} yet.`);
}

async function openDelivery(store: Store, c: Context): Promise<PhaseRecord> {
  const phase = await findDelivered(store, c);
  if (phase.sealedAt !== undefined) throw new ServiceError('gone', 'The phase is sealed.');
  return phase;
}

/** Accepts a sealed phase, because the store answers `stored` for bytes that it already has. */
async function appendLog(store: Store, c: Context): Promise<Response> {
  const { jobId, name } = await findDelivered(store, c);
  const type = c.req.header('content-type') ?? '';
  if (type !== 'application/partial-upload') {
    throw invalid(`The content type is "${type}", not application/partial-upload.`);
  }
  const offset = c.req.header('upload-offset') ?? '';
  if (!/^\d{1,15}$/.test(offset)) throw invalid(`Upload-Offset: "${offset}" is not a number.`);
  const { bytes, gzip } = await readDelivery(c);
  const result = await store.logs.append(jobId, name, Number(offset), bytes, gzip);
  switch (result.kind) {
    case 'stored':
      return c.body(null, 204, { 'Upload-Offset': String(result.end) });
    case 'mismatch':
      c.header('Upload-Offset', String(result.expected));
      return answerProblem(c, 409, `The log has ${result.expected} bytes, not ${offset}.`);
    case 'sealed':
      throw new ServiceError('gone', 'The phase is sealed.');
  }
}

/**
 * Answers when the hold is released, or at the end of the wait. `since`: the hold that began then, and no other. `held`:
 * whether we know of such a hold, and that it lasts. `wanted`: whether a failed phase is to be held. `released` is false if the
 * phase is to run again: that is an answer of its own.
 */
async function awaitRelease({ store, now }: JobDependencies, c: Context): Promise<Response> {
  const wait = c.req.query('wait') ?? '0';
  if (!/^\d{1,4}$/.test(wait)) throw invalid(`wait: "${wait}" is not a number of seconds.`);
  const waitMs = Math.min(Number(wait), MAX_WAIT_SECONDS) * 1000;
  const over = limitTime(waitMs, c.req.raw.signal);
  const since = c.req.query('since');
  const watch = openWatch(store, isAbout(c.req.param('job') ?? ''));
  try {
    for (;;) {
      const { hold: last } = await openDelivery(store, c);
      const hold = since === undefined || last?.since === since ? last : undefined;
      const rerun = hold?.rerun;
      const released = rerun === undefined && hold?.releasedAt !== undefined;
      if (released || rerun !== undefined || waitMs === 0 || over.aborted) {
        const asked = rerun === undefined ? {} : { rerun: true, rerun_by: rerun.by };
        // Our clock may have been set forward since the job reported the hold.
        const held = hold !== undefined && hold.until > now();
        return c.json({ released, held, ...asked, wanted: await isHoldWanted(store, c) }, 200);
      }
      await watch.next(over);
    }
  } finally {
    watch.close();
  }
}

async function isHoldWanted(store: Store, c: Context): Promise<boolean> {
  const session = await store.sessions.get(c.req.param('job') ?? '');
  return session?.request.debugOnFailure === true;
}
