import { createRoute, type OpenAPIHono } from '@hono/zod-openapi';
import { omitUndefined } from '../../core/omit-undefined.js';
import type { ApiDependencies, ApiEnv } from '../dependencies.js';
import { answerPage } from '../list-answer.js';
import { findPhase, findSession } from '../session-lookup.js';
import { answer, readProblems } from '../wire/problem.js';
import { HostPage, HostQuery, PhaseList, toHostWire, toPhaseWire } from '../wire/result.js';
import { sessionParams } from '../wire/session-request.js';

const params = sessionParams;

const phases = createRoute({
  method: 'get',
  path: '/v3/sessions/{session_name}/phases',
  summary: 'List the phases of a session, in order',
  request: { params },
  responses: {
    ...readProblems,
    200: answer(PhaseList, 'The phases; none until they are planned.'),
  },
});

const hosts = createRoute({
  method: 'get',
  path: '/v3/sessions/{session_name}/hosts',
  summary: 'List the results of each host in each phase',
  request: { params, query: HostQuery },
  responses: { ...readProblems, 200: answer(HostPage, 'A page of results.') },
});

export function addResultRoutes(api: OpenAPIHono<ApiEnv>, deps: ApiDependencies): void {
  const { store, logger } = deps;
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
    return answerPage(c, logger, {
      ...{ member: 'hosts', limit, afterId: query.after_id },
      read: (page) => store.hosts.list(session.jobId, { ...page, ...omitUndefined({ phase }) }),
      render: (items) => items.map(toHostWire),
      toId: (last) => `${last.phase}/${last.host}`,
      toNext: (lastId) => ({ phase: phase ?? null, limit, after_id: lastId }),
    });
  });
}
