import { createRoute, type OpenAPIHono } from '@hono/zod-openapi';
import { takeJson } from '../body.js';
import type { ApiDependencies, ApiEnv } from '../dependencies.js';
import { retrySession } from '../retry.js';
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
import { RetryRequest, sessionParams } from '../wire/session-request.js';

const retry = createRoute({
  method: 'post',
  path: '/v3/sessions/{session_name}/retry',
  summary: 'Run again what a session that failed has not done',
  request: { params: sessionParams, body: takes(RetryRequest, false) },
  responses: {
    ...bodyProblems,
    ...missingProblem,
    ...conflictProblem,
    ...busyProblem,
    201: answer(SessionWire, 'The new session; it will run, whatever fails meanwhile.'),
  },
});

export function addRetryRoute(api: OpenAPIHono<ApiEnv>, deps: ApiDependencies): void {
  api.on(
    'POST',
    '/v3/sessions/:session_name/retry',
    takeJson(deps.maxBodyBytes, { optional: true }),
  );
  api.openapi(retry, async (c) => {
    const { session_name: name } = c.req.valid('param');
    const session = await retrySession(deps, name, c.req.valid('json').name);
    return c.json(await describeSession(deps, c.req.url, session), 201);
  });
}
