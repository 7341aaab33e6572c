import { createRoute, z, type OpenAPIHono } from '@hono/zod-openapi';
import { patchSession } from '../../core/session-patch.js';
import { takeJson } from '../body.js';
import type { ListedSession, Store } from '../../store/store.js';
import type { ApiDependencies, ApiEnv } from '../dependencies.js';
import { answerList } from '../list-answer.js';
import { findSession } from '../session-lookup.js';
import { createSession } from '../sessions.js';
import {
  answer,
  bodyProblems,
  busyProblem,
  conflictProblem,
  missingProblem,
  readProblems,
  takes,
  writeProblems,
} from '../wire/problem.js';
import { SessionWireV2, toSessionWireV2 } from '../wire/session.js';
import {
  fromSessionCreateV2,
  SessionCreateV2,
  SessionPatchBody,
  fromSessionPatchV2,
} from '../wire/session-request.js';
import { fromSessionFilters, SessionFiltersV2 } from '../wire/session-filter.js';
import { inV2, SESSION_CREATE, SESSION_PATCH } from '../wire/v2-names.js';
import { text } from '../wire/values.js';

const params = z.object({ session_name: text() });

const list = createRoute({
  method: 'get',
  path: '/v2/sessions',
  summary: 'List all sessions, sorted by name',
  request: { query: SessionFiltersV2 },
  responses: { ...readProblems, 200: answer(z.array(SessionWireV2), 'The sessions.') },
});

const create = createRoute({
  method: 'post',
  path: '/v2/sessions',
  summary: 'Run a configuration',
  request: { body: takes(SessionCreateV2) },
  responses: {
    ...bodyProblems,
    ...conflictProblem,
    ...busyProblem,
    200: answer(SessionWireV2, 'The session; it will run, whatever fails meanwhile.'),
  },
});

const removeMany = createRoute({
  method: 'delete',
  path: '/v2/sessions',
  summary: 'Delete the sessions that match; without `status`, only complete ones',
  request: { query: SessionFiltersV2 },
  responses: { ...writeProblems, 204: { description: 'The sessions are deleted.' } },
});

const get = createRoute({
  method: 'get',
  path: '/v2/sessions/{session_name}',
  summary: 'Get a session',
  request: { params },
  responses: { ...readProblems, 200: answer(SessionWireV2, 'The session.') },
});

const patch = createRoute({
  method: 'patch',
  path: '/v2/sessions/{session_name}',
  summary: 'Set members that the service does not set itself',
  request: { params, body: takes(SessionPatchBody) },
  responses: {
    ...bodyProblems,
    ...missingProblem,
    ...conflictProblem,
    200: answer(SessionWireV2, 'The session, changed or not.'),
  },
});

const remove = createRoute({
  method: 'delete',
  path: '/v2/sessions/{session_name}',
  summary: 'Delete a session; a running one is cancelled',
  request: { params },
  responses: {
    ...writeProblems,
    ...missingProblem,
    204: { description: 'The session is deleted.' },
  },
});

/** Behaves like v3, with the names of v2. */
export function addSessionRoutesV2(api: OpenAPIHono<ApiEnv>, deps: ApiDependencies): void {
  const { store, now, maxBodyBytes } = deps;
  addListRoutes(api, deps);
  api.on('POST', '/v2/sessions', takeJson(maxBodyBytes));
  api.openapi(create, async (c) => {
    const body = fromSessionCreateV2(c.req.valid('json'));
    const { session } = await inV2(SESSION_CREATE, () =>
      createSession(deps, body, { knowsDebugPlaybooks: false }),
    );
    return c.json(toSessionWireV2(session), 200);
  });
  api.openapi(get, async (c) => {
    const session = await findSession(store, c.req.valid('param').session_name);
    return c.json(toSessionWireV2(session), 200);
  });
  api.on('PATCH', '/v2/sessions/:session_name', takeJson(maxBodyBytes, { undeclared: true }));
  api.openapi(patch, async (c) => {
    const { session_name: name } = c.req.valid('param');
    const wanted = fromSessionPatchV2(c.req.valid('json'));
    const session = await inV2(SESSION_PATCH, () =>
      store.sessions.patch(name, (present) =>
        patchSession(present, wanted, { replacesJob: true, now: now() }),
      ),
    );
    return c.json(toSessionWireV2(session), 200);
  });
  api.openapi(remove, async (c) => {
    const { session_name: name } = c.req.valid('param');
    await store.sessions.requestDelete(name, { at: now(), by: c.get('caller') });
    return c.body(null, 204);
  });
}

function addListRoutes(api: OpenAPIHono<ApiEnv>, { store, now, logger }: ApiDependencies): void {
  api.openapi(list, async (c) => {
    const filter = fromSessionFilters(c.req.valid('query'), now());
    const { defaultPageSize: limit } = await store.options.get();
    return answerList(c, logger, {
      limit,
      read: (page) => store.sessions.list(filter, page),
      render: (items) => renderSessions(store, items),
      toId: ({ name }) => name,
    });
  });
  api.openapi(removeMany, async (c) => {
    const query = c.req.valid('query');
    const filter = fromSessionFilters({ ...query, status: query.status ?? 'complete' }, now());
    await store.sessions.deleteMany(filter, { at: now(), by: c.get('caller') });
    return c.body(null, 204);
  });
}

async function* renderSessions({ sessions }: Store, items: readonly ListedSession[]) {
  for await (const some of sessions.readRequests(items)) yield some.map(toSessionWireV2);
}
