import { createRoute, type OpenAPIHono } from '@hono/zod-openapi';
import { ServiceError } from '../../core/errors.js';
import { takeJson } from '../body.js';
import type { ApiDependencies, ApiEnv } from '../dependencies.js';
import { describeSession } from '../session-description.js';
import { findSession } from '../session-lookup.js';
import { answer, bodyProblems, conflictProblem, mayTake, missingProblem } from '../wire/problem.js';
import { SessionWire } from '../wire/session.js';
import { ReleaseRequest, sessionParams } from '../wire/session-request.js';

const release = createRoute({
  method: 'post',
  path: '/v3/sessions/{session_name}/release',
  summary: 'End the hold of a failed phase, or run the phase again',
  request: { params: sessionParams, body: mayTake(ReleaseRequest) },
  responses: {
    ...bodyProblems,
    ...missingProblem,
    ...conflictProblem,
    202: answer(
      SessionWire,
      'The session. It ends with the result of the failed phase, or, with `rerun`, runs it again and goes on.',
    ),
  },
});

export function addReleaseRoute(api: OpenAPIHono<ApiEnv>, deps: ApiDependencies): void {
  const { store, now, maxBodyBytes } = deps;
  api.on('POST', '/v3/sessions/:session_name/release', takeJson(maxBodyBytes, { optional: true }));
  api.openapi(release, async (c) => {
    const session = await findSession(store, c.req.valid('param').session_name);
    const { rerun, hold_since: since } = c.req.valid('json');
    const refuse = (why: string) =>
      new ServiceError('conflict', `Session ${session.name} ${why}.`, {
        title: 'Session is not held',
      });
    if (rerun && session.desired !== 'run') throw refuse('is cancelled');
    const decision = await store.phases.endHold(session.jobId, {
      at: now(),
      by: c.get('caller'),
      rerun,
      ...(since === undefined ? {} : { since }),
    });
    if (decision.kind === 'refused') throw refuse(decision.why);
    return c.json(await describeSession(deps, c.req.url, session), 202);
  });
}
