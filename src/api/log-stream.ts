import { ServiceError } from '../core/errors.js';
import type { PhaseRecord } from '../store/store.js';
import type { Follower, SessionFeed } from './session-feed.js';

export interface LogPlace {
  readonly phase: string;
  readonly offset: number;
}

export interface LogRequest {
  readonly jobId: string;
  /** Absent: every phase, one after the other. */
  readonly phase?: string;
  /** Where to begin. Absent: at the beginning. */
  readonly from?: LogPlace;
  readonly follow: boolean;
}

export interface LogPiece extends LogPlace {
  readonly bytes: Uint8Array;
}

/** Reads exactly the stored bytes. With `follow` it continues until the phase or the session has ended. */
export async function* readLog(
  feed: SessionFeed,
  request: LogRequest,
  signal: AbortSignal,
): AsyncGenerator<LogPiece, void, undefined> {
  const follower = feed.follow(request.jobId);
  const reader = { follower, signal, follow: request.follow };
  const { phase, from } = request;
  try {
    if (phase === undefined) yield* readPhases(reader, from);
    else yield* readPhase(reader, from?.phase === phase ? from : { phase, offset: 0 });
  } finally {
    follower.close();
  }
}

/**
 * Returns the log as the body of an answer. It is read only as fast as the client takes it, and only while it does. It breaks
 * off if the client may not go on.
 */
export function toLogBody(
  feed: SessionFeed,
  request: LogRequest,
  { client, mayGoOn }: { readonly client: AbortSignal; readonly mayGoOn: () => boolean },
): ReadableStream<Uint8Array> {
  const closing = new AbortController();
  const pieces = readLog(feed, request, AbortSignal.any([client, closing.signal]));
  return new ReadableStream<Uint8Array>(
    {
      async pull(controller) {
        const { done, value } = await pieces.next();
        if (done === true) controller.close();
        else if (mayGoOn()) controller.enqueue(value.bytes);
        else {
          closing.abort();
          await pieces.return(undefined);
          throw new ServiceError('unauthenticated', 'The token is not valid any more.');
        }
      },
      async cancel() {
        closing.abort();
        await pieces.return(undefined);
      },
    },
    { highWaterMark: 0 },
  );
}

interface Reader {
  readonly follower: Follower;
  readonly follow: boolean;
  readonly signal: AbortSignal;
}

async function* readPhases(
  reader: Reader,
  from: LogPlace | undefined,
): AsyncGenerator<LogPiece, void, undefined> {
  const { follower, follow, signal } = reader;
  let position = -1;
  for (;;) {
    const { session, phases } = await follower.look();
    if (position < 0 && from !== undefined) position = positionOf(phases, from.phase) - 1;
    const next = phases.find((phase) => phase.position > position);
    if (next !== undefined) {
      position = next.position;
      yield* readPhase(reader, from?.phase === next.name ? from : { phase: next.name, offset: 0 });
    }
    if (signal.aborted) return;
    if (next !== undefined) continue;
    if (!follow || session === undefined || session.state === 'complete') return;
    await follower.next(signal);
  }
}

function positionOf(phases: readonly PhaseRecord[], name: string): number {
  return phases.find((phase) => phase.name === name)?.position ?? 0;
}

async function* readPhase(
  { follower, follow, signal }: Reader,
  { phase: name, offset }: LogPlace,
): AsyncGenerator<LogPiece, void, undefined> {
  let position = offset;
  for (;;) {
    const { session, phases } = await follower.look();
    const phase = phases.find((each) => each.name === name);
    if (phase === undefined) return;
    if (position < phase.logBytes) {
      for await (const bytes of follower.readLog(name, position, phase.logBytes)) {
        if (signal.aborted) return;
        yield { phase: name, offset: position, bytes };
        position += bytes.length;
      }
    }
    if (!follow || signal.aborted || phase.sealedAt !== undefined) return;
    if (session === undefined || session.state === 'complete') return;
    await follower.next(signal);
  }
}
