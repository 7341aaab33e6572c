import type { IncomingMessage, ServerResponse } from 'node:http';

/**
 * New sessions that one process handles at once: enough to share a commit on SQLite, and two for each connection to
 * PostgreSQL. More would not be stored faster, and each would be answered later.
 */
const MAX_NEW_SESSIONS = 20;
const WAIT_MS = 500;
/** How long a request keeps its slot without having sent its whole body. */
const BODY_MS = 2_000;
const GUARDED = /^(?:\/apis\/cfs)?\/v[23]\/sessions(?:\/[^/?]+\/(?:retry|apply))?(?:\?|$)/;

const BODY = JSON.stringify({
  type: 'about:blank',
  title: 'Too Many Requests',
  status: 429,
  detail: `${MAX_NEW_SESSIONS} new sessions are already being handled.`,
});
const HEADERS = {
  'Content-Type': 'application/problem+json',
  'Content-Length': Buffer.byteLength(BODY),
  'Retry-After': '1',
};

/** Calls `act` when a slot is free. The slot is freed when `outgoing` is answered or its connection closes. */
export type Gate = (incoming: IncomingMessage, outgoing: ServerResponse, act: () => void) => void;

interface Waiting {
  readonly incoming: IncomingMessage;
  readonly outgoing: ServerResponse;
  readonly act: () => void;
  readonly since: number;
}

/**
 * Bounds how many new sessions are handled at once. Further requests wait for a slot, first come first served, and get 429
 * after a short time; refusing them at once would cost more, because clients would repeat them at once. The gate comes before
 * all other work on a request, because new sessions come by the thousand. So no token has been checked yet, and a request
 * that does not send its body in time must lose its slot. It is still answered.
 */
export function createGate(onRefusal: (seconds: number) => void = () => undefined): Gate {
  const waiting = new Set<Waiting>();
  let running = 0;
  let timer: NodeJS.Timeout | undefined;
  const leave = () => {
    running -= 1;
    const [next] = waiting;
    if (next === undefined) return;
    waiting.delete(next);
    enter(next);
  };
  const enter = ({ incoming, outgoing, act }: Waiting) => {
    running += 1;
    const leaveOnce = () => {
      clearTimeout(slow);
      outgoing.off('close', leaveOnce);
      leave();
    };
    const slow = setTimeout(() => {
      if (!incoming.complete) leaveOnce();
    }, BODY_MS);
    outgoing.once('close', leaveOnce);
    act();
  };
  const refuseLate = () => {
    const now = performance.now();
    for (const late of waiting) {
      if (now - late.since < WAIT_MS) break;
      waiting.delete(late);
      late.outgoing.writeHead(429, HEADERS).end(BODY);
      onRefusal((now - late.since) / 1000);
    }
    const [next] = waiting;
    timer = next && setTimeout(refuseLate, Math.max(1, next.since + WAIT_MS - now));
  };
  return (incoming, outgoing, act) => {
    if (incoming.method !== 'POST' || !GUARDED.test(incoming.url ?? '')) {
      act();
      return;
    }
    // Its client has left while it waited for new connections to be accepted. Nothing would ever free its slot.
    if (outgoing.closed) return;
    const one = { incoming, outgoing, act, since: performance.now() };
    if (running < MAX_NEW_SESSIONS) {
      enter(one);
      return;
    }
    waiting.add(one);
    outgoing.once('close', () => waiting.delete(one));
    timer ??= setTimeout(refuseLate, WAIT_MS);
  };
}
