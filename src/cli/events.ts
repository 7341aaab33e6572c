import { setTimeout as sleep } from 'node:timers/promises';
import { createParser, type EventSourceMessage } from 'eventsource-parser';
import { ApiError, toCause, type Api } from './api.js';

const RETRY_MS = 1_000;
/** The service says something every 15 s, so a connection of which nothing is heard for so long is dead. */
const SILENT_MS = 60_000;

export interface SessionEvent {
  readonly event: string;
  readonly data: unknown;
}

interface Following {
  readonly signal: AbortSignal;
  readonly tell: (line: string) => void;
  readonly silentMs?: number;
  /** Whether the stream is known to be there, so that its first request may wait too. */
  readonly isKnown?: boolean;
}

/** Questions that are asked again until they are answered, once the service has been seen. */
export function createPatientApi(api: Api, { signal, tell }: Following): Api {
  return {
    ...api,
    async ask<T>(method: string, path: string, body?: unknown): Promise<T> {
      for (let isLost = false; ; isLost = true) {
        try {
          const answer = await api.ask<T>(method, path, body);
          if (isLost) tell(BACK);
          return answer;
        } catch (error) {
          signal.throwIfAborted();
          if (method !== 'GET' || !(error instanceof ApiError) || !error.isPassing) throw error;
          if (!isLost) tell(toWaiting(error));
          await sleep(error.retryAfterMs ?? RETRY_MS, undefined, { signal });
        }
      }
    },
  };
}

const BACK = 'The connection is there again.';
const toWaiting = ({ message }: ApiError) => `${message} Waits for it, and goes on then …`;

/**
 * A stream of events to its `end`, which is left out. A connection that is lost is made again for as long as it takes, and the
 * stream goes on after the last event; only the first request must be answered at once.
 */
export async function* followEvents(
  api: Api,
  path: string,
  { signal, tell, silentMs = SILENT_MS, isKnown = false }: Following,
): AsyncGenerator<SessionEvent, void, undefined> {
  let lastId: string | undefined;
  let hasAnswered = isKnown;
  let isLost = false;
  for (;;) {
    try {
      const headers = { accept: 'text/event-stream', ...(lastId && { 'last-event-id': lastId }) };
      const { body, status } = await api.open(path, headers, signal);
      hasAnswered = true;
      if (status === 204) return;
      for await (const { event = '', id, data } of readFrames(body, silentMs)) {
        if (isLost) tell(BACK);
        isLost = false;
        if (event === 'end') return;
        yield { event, data: JSON.parse(data) };
        lastId = id ?? lastId;
      }
    } catch (error) {
      signal.throwIfAborted();
      if (!hasAnswered || !(error instanceof ApiError) || !error.isPassing) throw error;
      if (!isLost) tell(toWaiting(error));
      isLost = true;
    }
    await sleep(RETRY_MS, undefined, { signal });
  }
}

async function* readFrames(body: Response['body'], silentMs: number) {
  if (body === null) return;
  const frames: EventSourceMessage[] = [];
  const parser = createParser({ onEvent: (frame) => void frames.push(frame) });
  const decoder = new TextDecoder();
  const reader = body.getReader();
  try {
    for (;;) {
      const { done, value } = await readInTime(reader, silentMs);
      if (done) return;
      parser.feed(decoder.decode(value, { stream: true }));
      yield* frames.splice(0);
    }
  } finally {
    await reader.cancel().catch(() => undefined);
  }
}

async function readInTime(reader: ReadableStreamDefaultReader<Uint8Array>, silentMs: number) {
  const lost = (why: string) => new ApiError(`The connection was lost (${why}).`);
  const { promise: silence, reject } = Promise.withResolvers<never>();
  const timer = setTimeout(() => reject(lost(`silent for ${silentMs / 1_000} s`)), silentMs);
  const next = reader.read().catch((error: unknown) => {
    throw lost(toCause(error));
  });
  try {
    return await Promise.race([next, silence]);
  } finally {
    clearTimeout(timer);
  }
}
