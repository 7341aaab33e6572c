import { createRoute, z, type OpenAPIHono } from '@hono/zod-openapi';
import type { TypedResponse } from 'hono';
import { invalid } from '../../core/errors.js';
import type { ApiDependencies, ApiEnv } from '../dependencies.js';
import { openLogStream } from '../log-stream.js';
import { findPhase, findSession } from '../session-lookup.js';
import { answer, readProblems } from '../wire/problem.js';
import { booleanParameter, integerParameter, textParameter } from '../wire/query.js';
import { HostPage, HostQuery, PhaseList, toHostWire, toPhaseWire } from '../wire/result.js';

const params = z.object({ session_name: z.string() });

const phases = createRoute({
  method: 'get',
  path: '/v3/sessions/{session_name}/phases',
  summary: 'Phases of a session, in their order',
  request: { params },
  responses: { ...readProblems, 200: answer(PhaseList, 'The phases; none before it has a plan.') },
});

const hosts = createRoute({
  method: 'get',
  path: '/v3/sessions/{session_name}/hosts',
  summary: 'What each host came to in each phase',
  request: { params, query: HostQuery },
  responses: { ...readProblems, 200: answer(HostPage, 'A page of results.') },
});

const logs = createRoute({
  method: 'get',
  path: '/v3/sessions/{session_name}/logs',
  summary: 'Log of a phase, or of all phases one after the other',
  request: {
    params,
    query: z.object({
      phase: textParameter('Absent: all phases.'),
      offset: integerParameter(0, 'Bytes to leave out; only with a phase.'),
      follow: booleanParameter('Go on live until the phase, or the session, has ended.'),
    }),
  },
  responses: {
    ...readProblems,
    200: {
      description: 'The stored bytes. With a phase, X-Log-Bytes is how many are stored now.',
      content: { 'text/plain': { schema: z.string() } },
    },
  },
});

export function addResultRoutes(api: OpenAPIHono<ApiEnv>, deps: ApiDependencies): void {
  const { store } = deps;
  api.openapi(phases, async (c) => {
    const session = await findSession(store, c.req.valid('param').session_name);
    const records = await store.phases.list(session.jobId);
    return c.json({ phases: records.map(toPhaseWire) }, 200);
  });
  api.openapi(hosts, async (c) => {
    const { phase, ...query } = c.req.valid('query');
    const session = await findSession(store, c.req.valid('param').session_name);
    if (phase !== undefined) await findPhase(store, session.jobId, phase);
    const limit = query.limit ?? (await store.options.get()).defaultPageSize;
    const afterId = query.after_id ?? '';
    const page = await store.hosts.list(session.jobId, {
      limit,
      ...(afterId === '' ? {} : { afterId }),
      ...(phase === undefined ? {} : { phase }),
    });
    const last = page.items.at(-1);
    const next =
      page.hasMore && last !== undefined
        ? { phase: phase ?? null, limit, after_id: `${last.phase}/${last.host}` }
        : null;
    return c.json({ hosts: page.items.map(toHostWire), next }, 200);
  });
  addLogRoute(api, deps);
}

/** The schema can only say text; a stream is text too. */
type TextResponse = Response & TypedResponse<string, 200, 'text'>;

function addLogRoute(api: OpenAPIHono<ApiEnv>, { store }: ApiDependencies): void {
  api.openapi(logs, async (c) => {
    const { phase, offset = 0, follow = false } = c.req.valid('query');
    if (phase === undefined && offset > 0) {
      throw invalid("An offset needs a phase to count in - 'offset'");
    }
    const { jobId } = await findSession(store, c.req.valid('param').session_name);
    c.header('Content-Type', 'text/plain; charset=utf-8');
    c.header('X-Accel-Buffering', 'no');
    c.header('Cache-Control', 'no-store');
    if (phase !== undefined) {
      c.header('X-Log-Bytes', String((await findPhase(store, jobId, phase)).logBytes));
    }
    const request = { jobId, offset, follow, ...(phase === undefined ? {} : { phase }) };
    const isHead = c.req.method === 'HEAD';
    const answered: Response = isHead
      ? c.body(null, 200)
      : c.body(openLogStream(store, request, c.req.raw.signal), 200);
    return answered as TextResponse;
  });
}
