import { createRoute, type OpenAPIHono } from '@hono/zod-openapi';
import type { Session } from '../../core/session.js';
import { applySession } from '../apply.js';
import { takeJson } from '../body.js';
import type { ApiDependencies, ApiEnv } from '../dependencies.js';
import { retrySession } from '../retry.js';
import { describeSession } from '../session-description.js';
import {
  answer,
  bodyProblems,
  busyProblem,
  conflictProblem,
  mayTake,
  missingProblem,
} from '../wire/problem.js';
import { SessionWire } from '../wire/session.js';
import { ApplyRequest, RetryRequest, sessionParams } from '../wire/session-request.js';

interface Succession {
  readonly verb: 'retry' | 'apply';
  readonly summary: string;
  readonly body: typeof RetryRequest | typeof ApplyRequest;
  /** `given`: name of the new session, if the request has one. */
  readonly start: (
    deps: ApiDependencies,
    name: string,
    given: string | undefined,
    caller: AbortSignal,
  ) => Promise<Session>;
}

const successions: readonly Succession[] = [
  {
    verb: 'retry',
    summary: 'Start a session that does what a failed session has not done',
    body: RetryRequest,
    start: retrySession,
  },
  {
    verb: 'apply',
    summary: 'Start a session that applies what a check has shown, at the same commits',
    body: ApplyRequest,
    start: applySession,
  },
];

/** Operations that create a session from a complete one. */
export function addSuccessorRoutes(api: OpenAPIHono<ApiEnv>, deps: ApiDependencies): void {
  for (const { verb, summary, body, start } of successions) {
    const route = createRoute({
      method: 'post',
      path: `/v3/sessions/{session_name}/${verb}`,
      summary,
      request: { params: sessionParams, body: mayTake(body) },
      responses: {
        ...bodyProblems,
        ...missingProblem,
        ...conflictProblem,
        ...busyProblem,
        201: answer(
          SessionWire,
          'The new session. It is stored and will run, whatever fails meanwhile.',
        ),
      },
    });
    const taking = takeJson(deps.maxBodyBytes, { optional: true });
    api.on('POST', `/v3/sessions/:session_name/${verb}`, taking);
    api.openapi(route, async (c) => {
      const { session_name: name } = c.req.valid('param');
      const session = await start(deps, name, c.req.valid('json').name, c.req.raw.signal);
      return c.json(await describeSession(deps, c.req.url, session), 201);
    });
  }
}
