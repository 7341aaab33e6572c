import { createRoute, type OpenAPIHono } from '@hono/zod-openapi';
import { takeJson } from '../body.js';
import type { ApiDependencies, ApiEnv } from '../dependencies.js';
import { describeSession } from '../session-description.js';
import { answer, bodyProblems, conflictProblem, mayTake, missingProblem } from '../wire/problem.js';
import { SessionWire } from '../wire/session.js';
import { HoldRequest, sessionParams } from '../wire/session-request.js';

const hold = createRoute({
  method: 'post',
  path: '/v3/sessions/{session_name}/hold',
  summary: 'Set `debug_on_failure` of a session that already runs',
  request: { params: sessionParams, body: mayTake(HoldRequest) },
  responses: {
    ...bodyProblems,
    ...missingProblem,
    ...conflictProblem,
    202: answer(SessionWire, 'The session. A playbook that fails from now on is held.'),
  },
});

export function addHoldRoute(api: OpenAPIHono<ApiEnv>, deps: ApiDependencies): void {
  const { store, maxBodyBytes } = deps;
  api.on('POST', '/v3/sessions/:session_name/hold', takeJson(maxBodyBytes, { optional: true }));
  api.openapi(hold, async (c) => {
    const session = await store.sessions.requestHold(c.req.valid('param').session_name);
    return c.json(await describeSession(deps, c.req.url, session), 202);
  });
}
