/** Short enough that no proxy closes a silent connection. */
const HEARTBEAT_MS = 15_000;
const RETRY_MS = 1_000;
const HEARTBEAT = ':\n\n';

/** See https://html.spec.whatwg.org/multipage/server-sent-events.html. `data` is sent as JSON, which has no line breaks. */
export interface ServerSentEvent {
  readonly event: string;
  readonly id: string;
  readonly data: unknown;
}

/** The open event streams, so that a service that stops can end them. Their clients connect again. */
export interface EventStreams {
  readonly closing: AbortSignal;
  /** Registers a stream. Returns a function to call when the stream has ended. */
  open(): () => void;
  /** Ends all streams; resolves when they have ended. */
  close(): Promise<void>;
}

export function createEventStreams(): EventStreams {
  const closing = new AbortController();
  const left = new Set<Promise<unknown>>();
  return {
    closing: closing.signal,
    open() {
      const { promise, resolve } = Promise.withResolvers<undefined>();
      left.add(promise);
      return () => {
        left.delete(promise);
        resolve(undefined);
      };
    },
    async close() {
      closing.abort();
      await Promise.all(left);
    },
  };
}

interface EventBodyOptions {
  readonly streams: EventStreams;
  readonly client: AbortSignal;
  /** Asked before each frame. Default: always. */
  readonly mayGoOn?: () => boolean;
  readonly heartbeatMs?: number;
}

/**
 * Returns the events as the body of an answer. They are read only as fast as the client takes them. The stream ends with an
 * `end` event if no more events can come, and without one if the service stops or the client may not go on.
 */
export function toEventBody(
  read: (signal: AbortSignal) => AsyncGenerator<ServerSentEvent, void, undefined>,
  endId: string,
  { streams, client, mayGoOn = () => true, heartbeatMs = HEARTBEAT_MS }: EventBodyOptions,
): ReadableStream<Uint8Array> {
  const cancelled = new AbortController();
  const signal = AbortSignal.any([client, streams.closing, cancelled.signal]);
  const frames = renderEvents(read(signal), endId, signal);
  const leave = streams.open();
  client.addEventListener('abort', leave);
  const encoder = new TextEncoder();
  let next: Promise<IteratorResult<string, void>> | undefined;
  return new ReadableStream<Uint8Array>(
    {
      async pull(controller) {
        try {
          next ??= frames.next();
          const frame = await orHeartbeat(next, heartbeatMs);
          if (frame !== HEARTBEAT) next = undefined;
          if (frame === undefined || !mayGoOn()) {
            cancelled.abort();
            await frames.return(undefined);
            controller.close();
            leave();
          } else {
            controller.enqueue(encoder.encode(frame));
          }
        } catch (error) {
          leave();
          throw error;
        }
      },
      async cancel() {
        cancelled.abort();
        leave();
        await frames.return(undefined);
      },
    },
    { highWaterMark: 0 },
  );
}

async function* renderEvents(
  events: AsyncGenerator<ServerSentEvent, void, undefined>,
  endId: string,
  signal: AbortSignal,
): AsyncGenerator<string, void, undefined> {
  yield `retry: ${RETRY_MS}\n\n`;
  for await (const event of events) yield renderEvent(event);
  if (!signal.aborted) yield renderEvent({ event: 'end', id: endId, data: {} });
}

function renderEvent({ event, id, data }: ServerSentEvent): string {
  return `event: ${event}\nid: ${id}\ndata: ${JSON.stringify(data)}\n\n`;
}

/** The next frame, or a heartbeat if none comes in time. Undefined at the end. */
async function orHeartbeat(
  next: Promise<IteratorResult<string, void>>,
  heartbeatMs: number,
): Promise<string | undefined> {
  const { promise: silence, resolve } = Promise.withResolvers<typeof HEARTBEAT>();
  const timer = setTimeout(() => resolve(HEARTBEAT), heartbeatMs);
  try {
    const first = await Promise.race([next, silence]);
    if (first === HEARTBEAT) return HEARTBEAT;
    return first.done === true ? undefined : first.value;
  } finally {
    clearTimeout(timer);
  }
}
