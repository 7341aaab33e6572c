import { createRoute, z, type OpenAPIHono } from '@hono/zod-openapi';
import { omitUndefined } from '../../core/omit-undefined.js';
import { patchSession } from '../../core/session-patch.js';
import { takeJson } from '../body.js';
import type { ApiDependencies, ApiEnv } from '../dependencies.js';
import { answerPage } from '../list-answer.js';
import { createDescriber, describeSession } from '../session-description.js';
import { findSession } from '../session-lookup.js';
import { createSession } from '../sessions.js';
import {
  answer,
  bodyProblems,
  busyProblem,
  conflictProblem,
  mayTake,
  missingProblem,
  readProblems,
  takes,
  writeProblems,
} from '../wire/problem.js';
import { SessionWire } from '../wire/session.js';
import {
  CancelRequest,
  SessionCreate,
  SessionPatchBody,
  fromSessionPatch,
} from '../wire/session-request.js';
import {
  fromSessionFilters,
  SessionFilters,
  SessionIds,
  SessionPage,
  SessionQuery,
  toSessionNext,
} from '../wire/session-filter.js';
import { text } from '../wire/values.js';

const params = z.object({ session_name: text() });

const list = createRoute({
  method: 'get',
  path: '/v3/sessions',
  summary: 'List sessions, sorted by name',
  request: { query: SessionQuery },
  responses: { ...readProblems, 200: answer(SessionPage, 'A page of sessions.') },
});

const create = createRoute({
  method: 'post',
  path: '/v3/sessions',
  summary: 'Run a configuration',
  request: { body: takes(SessionCreate) },
  responses: {
    ...bodyProblems,
    ...conflictProblem,
    ...busyProblem,
    201: answer(SessionWire, 'The session. It is stored and will run, whatever fails meanwhile.'),
  },
});

const removeMany = createRoute({
  method: 'delete',
  path: '/v3/sessions',
  summary: 'Delete the sessions that match; without `status`, only complete ones',
  request: { query: SessionFilters },
  responses: { ...writeProblems, 200: answer(SessionIds, 'Names of the deleted sessions.') },
});

const get = createRoute({
  method: 'get',
  path: '/v3/sessions/{session_name}',
  summary: 'Get a session',
  request: { params },
  responses: { ...readProblems, 200: answer(SessionWire, 'The session.') },
});

const patch = createRoute({
  method: 'patch',
  path: '/v3/sessions/{session_name}',
  summary: 'Set members that the service does not set itself',
  request: { params, body: takes(SessionPatchBody) },
  responses: {
    ...bodyProblems,
    ...missingProblem,
    ...conflictProblem,
    200: answer(SessionWire, 'The session.'),
  },
});

const remove = createRoute({
  method: 'delete',
  path: '/v3/sessions/{session_name}',
  summary: 'Delete a session; a running one is cancelled',
  request: { params },
  responses: {
    ...writeProblems,
    ...missingProblem,
    204: { description: 'The session is deleted.' },
  },
});

const cancel = createRoute({
  method: 'post',
  path: '/v3/sessions/{session_name}/cancel',
  summary: 'Cancel a session; its record and log stay',
  request: { params, body: mayTake(CancelRequest) },
  responses: {
    ...bodyProblems,
    ...missingProblem,
    ...conflictProblem,
    202: answer(SessionWire, 'The session. It ends as soon as its job has stopped.'),
  },
});

export function addSessionRoutes(api: OpenAPIHono<ApiEnv>, deps: ApiDependencies): void {
  const { store, now, maxBodyBytes } = deps;
  addListRoutes(api, deps);
  api.on('POST', '/v3/sessions', takeJson(maxBodyBytes));
  api.openapi(create, async (c) => {
    const rules = { knowsDebugPlaybooks: true };
    const { session, options } = await createSession(deps, c.req.valid('json'), rules);
    return c.json(await describeSession(deps, c.req.url, session, options), 201);
  });
  api.openapi(get, async (c) => {
    const { session_name: name } = c.req.valid('param');
    return c.json(await describeSession(deps, c.req.url, await findSession(store, name)), 200);
  });
  api.on('PATCH', '/v3/sessions/:session_name', takeJson(maxBodyBytes, { undeclared: true }));
  api.openapi(patch, async (c) => {
    const wanted = fromSessionPatch(c.req.valid('json'));
    const session = await store.sessions.patch(c.req.valid('param').session_name, (present) =>
      patchSession(present, wanted, { replacesJob: false, now: now() }),
    );
    return c.json(await describeSession(deps, c.req.url, session), 200);
  });
  api.openapi(remove, async (c) => {
    const { session_name: name } = c.req.valid('param');
    await store.sessions.requestDelete(name, { at: now(), by: c.get('caller') });
    return c.body(null, 204);
  });
  api.on('POST', '/v3/sessions/:session_name/cancel', takeJson(maxBodyBytes, { optional: true }));
  api.openapi(cancel, async (c) => {
    const { session_name: name } = c.req.valid('param');
    const { reason } = c.req.valid('json');
    const session = await store.sessions.requestCancel(name, {
      at: now(),
      by: c.get('caller'),
      ...omitUndefined({ reason }),
    });
    return c.json(await describeSession(deps, c.req.url, session), 202);
  });
}

function addListRoutes(api: OpenAPIHono<ApiEnv>, deps: ApiDependencies): void {
  const { store, now, logger } = deps;
  api.openapi(list, async (c) => {
    const query = c.req.valid('query');
    const filter = fromSessionFilters(query, now());
    const options = await store.options.get();
    const limit = query.limit ?? options.defaultPageSize;
    return answerPage(c, logger, {
      ...{ member: 'sessions', limit, afterId: query.after_id },
      read: (page) => store.sessions.list(filter, page),
      render: createDescriber(deps, c.req.url, options),
      toId: ({ name }) => name,
      toNext: (lastId) => toSessionNext(query, limit, lastId),
    });
  });
  api.openapi(removeMany, async (c) => {
    const query = c.req.valid('query');
    const filter = fromSessionFilters({ ...query, status: query.status ?? 'complete' }, now());
    const names = await store.sessions.deleteMany(filter, { at: now(), by: c.get('caller') });
    return c.json({ session_ids: [...names] }, 200);
  });
}
