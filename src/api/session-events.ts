import { createHash } from 'node:crypto';
import { omitUndefined } from '../core/omit-undefined.js';
import type { Session } from '../core/session.js';
import { findWait, untilWait } from '../core/waiting.js';
import type { Hold } from '../core/release.js';
import type { PhaseRecord } from '../store/store.js';
import type { ServerSentEvent } from './event-stream.js';
import type { Follower, SessionFeed } from './session-feed.js';
import { toHostWire, toPhaseWire } from './wire/result.js';
import { toSessionWire } from './wire/session.js';

const DIGEST = 6;

/** What a client has been sent, in short form: a digest of the session and of each phase, and the sequence of its hosts. */
interface Sent {
  session: string;
  readonly phases: { digest: string; sequence: number }[];
}

interface EventRequest {
  readonly jobId: string;
  readonly tag: string;
  /** Id of the last event that the client has received. */
  readonly lastId?: string;
  /** Link to the log of the session. */
  readonly logs: string | null;
  readonly now: () => string;
}

/**
 * Yields the present state, then changes, until the session is complete. Events follow from the stored records, so a client
 * that connects again with an id, to any process, gets everything that differs from the state in the id. Intermediate states
 * may be left out, and results of hosts may come twice.
 */
export async function* readSessionEvents(
  feed: SessionFeed,
  request: EventRequest,
  signal: AbortSignal,
): AsyncGenerator<ServerSentEvent, void, undefined> {
  const { jobId, tag, logs, now } = request;
  const sent = parseEventId(request.lastId, tag);
  const follower = feed.follow(jobId);
  const settled = new Set<string>();
  const event = (name: string, data: unknown): ServerSentEvent => ({
    event: name,
    id: toEventId(sent, tag),
    data,
  });
  try {
    for (;;) {
      const { session, phases } = await follower.look();
      for (const phase of phases) {
        if (updatePhase(sent, phase)) yield event('phase', toPhaseWire(phase));
      }
      for (const phase of phases.filter(mayHaveNews).filter(({ name }) => !settled.has(name))) {
        for await (const hosts of readHosts(follower, phase, sent)) yield event('hosts', { hosts });
        if (phase.sealedAt !== undefined) settled.add(phase.name);
        if (signal.aborted) return;
      }
      if (session === undefined || signal.aborted) return;
      // The session comes last, so that no event follows its end.
      const at = now();
      const wire = toSessionWire(session, { logs, ...findSurroundings(session, phases, at) });
      if (updateSession(sent, wire)) yield event('session', wire);
      if (session.state === 'complete') return;
      await follower.next(signal, untilWait(session, at));
    }
  } finally {
    follower.close();
  }
}

function mayHaveNews({ kind, startedAt, sealedAt }: PhaseRecord): boolean {
  return kind === 'ansible' && (startedAt !== undefined || sealedAt !== undefined);
}

/** The sequence in the ids passes a number only after all hosts with that number have been sent. */
async function* readHosts(follower: Follower, { name, position }: PhaseRecord, sent: Sent) {
  const state = (sent.phases[position] ??= { digest: '', sequence: -1 });
  let after: Parameters<Follower['readHosts']>[1] = { sequence: state.sequence };
  for (;;) {
    const { items, hasMore, end } = await follower.readHosts(name, after);
    if (end === undefined) return;
    state.sequence = hasMore ? end.sequence - 1 : end.sequence;
    yield items.map(toHostWire);
    if (!hasMore) return;
    after = end;
  }
}

/** Returns whether the phase has changed. A longer log alone is no change. */
function updatePhase(sent: Sent, phase: PhaseRecord): boolean {
  const digest = toDigest({ ...toPhaseWire(phase), log_bytes: 0 });
  const known = sent.phases[phase.position];
  if (known?.digest === digest) return false;
  sent.phases[phase.position] = { digest, sequence: known?.sequence ?? -1 };
  return true;
}

/** Returns whether the session has changed. */
function updateSession(sent: Sent, wire: ReturnType<typeof toSessionWire>): boolean {
  const digest = toDigest(wire);
  if (sent.session === digest) return false;
  sent.session = digest;
  return true;
}

function findSurroundings(session: Session, phases: readonly PhaseRecord[], now: string) {
  return omitUndefined({
    hold: findHold(phases, now),
    wait: findWait(session, now),
    silence: phases.find((phase) => phase.silence !== undefined)?.silence,
  });
}

function findHold(phases: readonly PhaseRecord[], now: string): Hold | undefined {
  return phases.find(
    ({ hold, sealedAt }) =>
      sealedAt === undefined &&
      hold !== undefined &&
      hold.releasedAt === undefined &&
      hold.rerun === undefined &&
      hold.until > now,
  )?.hold;
}

function toDigest(data: unknown): string {
  return createHash('sha256').update(JSON.stringify(data)).digest('base64url').slice(0, DIGEST);
}

/** `<tag>/<session>` and for each phase `.<digest>~<sequence>`. */
function toEventId({ session, phases }: Sent, tag: string): string {
  const parts = Array.from(phases, (phase) => `${phase.digest}~${phase.sequence}`);
  return `${tag}/${[session, ...parts].join('.')}`;
}

/** What the client had been sent up to this event. Nothing without an id, or if the id is of another session. */
function parseEventId(id: string | undefined, tag: string): Sent {
  const nothing: Sent = { session: '', phases: [] };
  if (id === undefined || !id.startsWith(`${tag}/`)) return nothing;
  const [session = '', ...parts] = id.slice(tag.length + 1).split('.');
  const phases = parts.map((part) => {
    const [digest = '', sequence = ''] = part.split('~');
    return { digest, sequence: /^\d{1,16}$/.test(sequence) ? Number(sequence) : -1 };
  });
  return { session, phases };
}
