import { setTimeout as sleep } from 'node:timers/promises';
import { createParser, type EventSourceMessage } from 'eventsource-parser';
import { ApiError, toCause, type Api } from './api.js';
import { readBody } from './body.js';

const RETRY_MS = 1_000;

export interface SessionEvent {
  readonly event: string;
  readonly data: unknown;
}

interface StreamOptions {
  readonly signal: AbortSignal;
  readonly notify: (line: string) => void;
  readonly silentMs?: number;
  /** Whether the stream is known to exist, so that the first request, too, may wait for the service. */
  readonly isKnown?: boolean;
}

/** Repeats each GET until it is answered. Use it once the service has answered, so that its URL is known to be right. */
export function createPatientApi(api: Api, { signal, notify }: StreamOptions): Api {
  return {
    ...api,
    async ask<T>(method: string, path: string, body?: unknown): Promise<T> {
      for (let isLost = false; ; isLost = true) {
        try {
          const answer = await api.ask<T>(method, path, body);
          if (isLost) notify(BACK);
          return answer;
        } catch (error) {
          signal.throwIfAborted();
          if (method !== 'GET' || !(error instanceof ApiError) || !error.isPassing) throw error;
          if (!isLost) notify(toWaiting(error));
          await sleep(error.retryAfterMs ?? RETRY_MS, undefined, { signal });
        }
      }
    },
  };
}

const BACK = 'Connected again.';
const toWaiting = ({ message }: ApiError) => `${message} Waiting to connect again …`;

/**
 * Yields the events of a stream until its `end`, which is left out. If the connection is lost, it connects again, for as long
 * as it takes, and continues after the last event. Only the first request must be answered at once, unless `isKnown`.
 */
export async function* followEvents(
  api: Api,
  path: string,
  { signal, notify, silentMs, isKnown = false }: StreamOptions,
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
        if (isLost) notify(BACK);
        isLost = false;
        if (event === 'end') return;
        yield { event, data: JSON.parse(data) };
        lastId = id ?? lastId;
      }
    } catch (error) {
      signal.throwIfAborted();
      if (!hasAnswered || !(error instanceof ApiError) || !error.isPassing) throw error;
      if (!isLost) notify(toWaiting(error));
      isLost = true;
    }
    await sleep(RETRY_MS, undefined, { signal });
  }
}

async function* readFrames(body: Response['body'], silentMs?: number) {
  const frames: EventSourceMessage[] = [];
  const parser = createParser({ onEvent: (frame) => void frames.push(frame) });
  const decoder = new TextDecoder();
  const pieces = readBody(body, silentMs);
  try {
    for (;;) {
      const { done, value } = await pieces.next().catch((error: unknown) => {
        throw new ApiError(`The connection was lost (${toCause(error)}).`);
      });
      if (done === true) return;
      parser.feed(decoder.decode(value, { stream: true }));
      yield* frames.splice(0);
    }
  } finally {
    await pieces.return();
  }
}
