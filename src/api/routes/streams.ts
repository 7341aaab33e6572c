import { createRoute, z, type OpenAPIHono } from '@hono/zod-openapi';
import type { Context, TypedResponse } from 'hono';
import { invalid } from '../../core/errors.js';
import { toJobSuffix } from '../../core/names.js';
import { omitUndefined } from '../../core/omit-undefined.js';
import type { ApiDependencies, ApiEnv } from '../dependencies.js';
import { createEventStreams, toEventBody } from '../event-stream.js';
import { parseLogId, toLogEvents } from '../log-events.js';
import { createLogLinks } from '../log-links.js';
import { readLog, toLogBody, type LogPlace, type LogRequest } from '../log-stream.js';
import { readSessionEvents } from '../session-events.js';
import { createSessionFeed, type SessionFeed } from '../session-feed.js';
import { findPhase, findSession } from '../session-lookup.js';
import { readProblems } from '../wire/problem.js';
import { booleanParameter, integerParameter, textParameter } from '../wire/query.js';
import { sessionParams } from '../wire/session-request.js';

const EVENT_STREAM = 'text/event-stream';

const headers = z.object({
  'last-event-id': z.string().max(16_384).optional().openapi({
    description: 'Id of the last event that the client has; the stream continues after it.',
  }),
});

const nothingMore = { description: 'The stream has ended; there are no further events.' };

const logs = createRoute({
  method: 'get',
  path: '/v3/sessions/{session_name}/logs',
  summary: 'Read the log of a phase, or of all phases one after the other',
  request: {
    params: sessionParams,
    headers,
    query: z.object({
      phase: textParameter('Name of the phase; absent: all phases.'),
      offset: integerParameter(0, 'Bytes to skip; only with `phase`.'),
      follow: booleanParameter(
        'Continue live until the phase, or the session, has ended; default: true for a stream of events, else false.',
      ),
    }),
  },
  responses: {
    ...readProblems,
    200: {
      description:
        'The stored bytes. With `phase`, the header X-Log-Bytes says how many are stored now. With `Accept: text/event-stream`: `log` events with phase, offset, and text or base64, then `end`.',
      content: {
        'text/plain': { schema: z.string() },
        [EVENT_STREAM]: { schema: z.string() },
      },
    },
    204: nothingMore,
  },
});

const events = createRoute({
  method: 'get',
  path: '/v3/sessions/{session_name}/events',
  summary: 'Follow a session live until it is complete',
  request: { params: sessionParams, headers },
  responses: {
    ...readProblems,
    200: {
      description:
        'Events `phase`, `hosts` and `session`: first the present state, then changes, then `end`. Their data is as in …/phases, …/hosts and the session.',
      content: { [EVENT_STREAM]: { schema: z.string() } },
    },
    204: nothingMore,
  },
});

/** The schema declares text; a stream is answered as text, too. */
type TextResponse = Response & TypedResponse<string, 200, 'text'>;
type ReadContext = Pick<Context<ApiEnv>, 'header' | 'body' | 'req'>;

export function addStreamRoutes(api: OpenAPIHono<ApiEnv>, deps: ApiDependencies): void {
  const { store, now, streams = createEventStreams() } = deps;
  const feed = createSessionFeed(store, deps.metrics);
  api.openapi(logs, async (c) => {
    const { phase, offset, follow } = c.req.valid('query');
    if (phase === undefined && offset !== undefined && offset > 0) {
      throw invalid("An offset needs a phase - 'offset'");
    }
    const { jobId } = await findSession(store, c.req.valid('param').session_name);
    const about = phase === undefined ? undefined : await findPhase(store, jobId, phase);
    const request = {
      jobId,
      ...(phase === undefined ? {} : { phase, from: { phase, offset: offset ?? 0 } }),
    };
    if (!isForEvents(c)) {
      if (about !== undefined) c.header('X-Log-Bytes', String(about.logBytes));
      const reader = { client: c.req.raw.signal, mayGoOn: c.get('mayGoOn') };
      const open = () => toLogBody(feed, { ...request, follow: follow ?? false }, reader);
      return answerStream(c, 'text/plain; charset=utf-8', open);
    }
    const tag = toJobSuffix(jobId);
    const place = toPlace(c.req.valid('header')['last-event-id'], tag, phase);
    if (place === 'end') return c.body(null, 204);
    const resumed = { ...request, follow: follow ?? true, ...(place && { from: place }) };
    const read = (signal: AbortSignal) => readLogEvents(feed, resumed, tag, signal);
    const options = { streams, client: c.req.raw.signal, mayGoOn: c.get('mayGoOn') };
    return answerStream(c, EVENT_STREAM, () => toEventBody(read, `${tag}/end`, options));
  });
  api.openapi(events, async (c) => {
    const { jobId, name } = await findSession(store, c.req.valid('param').session_name);
    const tag = toJobSuffix(jobId);
    const lastId = c.req.valid('header')['last-event-id'];
    if (lastId === `${tag}/end`) return c.body(null, 204);
    const logs = createLogLinks(deps, c.req.url, await store.options.get())(name);
    const request = { jobId, tag, logs, now, ...omitUndefined({ lastId }) };
    const read = (signal: AbortSignal) => readSessionEvents(feed, request, signal);
    const options = { streams, client: c.req.raw.signal, mayGoOn: c.get('mayGoOn') };
    return answerStream(c, EVENT_STREAM, () => toEventBody(read, `${tag}/end`, options));
  });
}

function readLogEvents(feed: SessionFeed, request: LogRequest, tag: string, signal: AbortSignal) {
  return toLogEvents(readLog(feed, request, signal), tag, signal);
}

function toPlace(
  lastId: string | undefined,
  tag: string,
  phase: string | undefined,
): LogPlace | 'end' | undefined {
  if (lastId === undefined || lastId === '') return undefined;
  const place = parseLogId(lastId, tag);
  if (place === undefined || place === 'end' || phase === undefined) return place;
  if (place.phase === phase) return place;
  throw invalid(`The id belongs to phase ${place.phase}, not ${phase} - 'Last-Event-ID'`);
}

function isForEvents({ req }: ReadContext): boolean {
  return (req.header('accept') ?? '')
    .split(',')
    .some((type) => type.split(';', 1)[0]?.trim().toLowerCase() === EVENT_STREAM);
}

function answerStream(
  c: ReadContext,
  type: string,
  open: () => ReadableStream<Uint8Array>,
): TextResponse {
  c.header('Content-Type', type);
  c.header('X-Accel-Buffering', 'no');
  c.header('Cache-Control', 'no-store');
  c.header('Vary', 'Accept');
  const answered: Response = c.req.method === 'HEAD' ? c.body(null, 200) : c.body(open(), 200);
  return answered as TextResponse;
}
