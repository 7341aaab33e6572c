import { createRoute, type OpenAPIHono } from '@hono/zod-openapi';
import { applySession } from '../apply.js';
import { takeJson } from '../body.js';
import type { ApiDependencies, ApiEnv } from '../dependencies.js';
import { describeSession } from '../session-description.js';
import {
  answer,
  bodyProblems,
  busyProblem,
  conflictProblem,
  missingProblem,
  takes,
} from '../wire/problem.js';
import { SessionWire } from '../wire/session.js';
import { ApplyRequest, sessionParams } from '../wire/session-request.js';

const apply = createRoute({
  method: 'post',
  path: '/v3/sessions/{session_name}/apply',
  summary: 'Do what a check has told, at the commits at which it ran',
  request: { params: sessionParams, body: takes(ApplyRequest, false) },
  responses: {
    ...bodyProblems,
    ...missingProblem,
    ...conflictProblem,
    ...busyProblem,
    201: answer(SessionWire, 'The new session; it will run, whatever fails meanwhile.'),
  },
});

export function addApplyRoute(api: OpenAPIHono<ApiEnv>, deps: ApiDependencies): void {
  api.on(
    'POST',
    '/v3/sessions/:session_name/apply',
    takeJson(deps.maxBodyBytes, { optional: true }),
  );
  api.openapi(apply, async (c) => {
    const { session_name: name } = c.req.valid('param');
    const session = await applySession(deps, name, c.req.valid('json').name, c.req.raw.signal);
    return c.json(await describeSession(deps, c.req.url, session), 201);
  });
}
