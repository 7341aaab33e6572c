import { createRoute, z, type OpenAPIHono } from '@hono/zod-openapi';
import { takeJson } from '../body.js';
import { findComponent, patchComponent, patchComponentIds, putComponent } from '../components.js';
import type { ApiDependencies, ApiEnv } from '../dependencies.js';
import { answerPage } from '../list-answer.js';
import { addComponentLists } from './component-lists.js';
import {
  ComponentBody,
  ComponentId,
  ComponentIds,
  ComponentList,
  ComponentWire,
  toComponentViewWire,
  toComponentWire,
  type Details,
} from '../wire/component.js';
import {
  ComponentDetails,
  ComponentFilterPatch,
  ComponentPage,
  ComponentPatches,
  ComponentQuery,
  fromComponentFilters,
  toComponentNext,
} from '../wire/component-filter.js';
import {
  answer,
  bodyProblems,
  missingProblem,
  readProblems,
  takes,
  writeProblems,
} from '../wire/problem.js';

const PATH = '/v3/components/{component_id}';
const params = z.object({ component_id: ComponentId });

const list = createRoute({
  method: 'get',
  path: '/v3/components',
  summary: 'List components, sorted by id',
  request: { query: ComponentQuery },
  responses: { ...readProblems, 200: answer(ComponentPage, 'A page of components.') },
});

const putMany = createRoute({
  method: 'put',
  path: '/v3/components',
  summary: 'Create or replace components, all or none',
  request: { body: takes(ComponentList) },
  responses: { ...bodyProblems, 200: answer(ComponentIds, 'Their ids, as they were given.') },
});

const patchMany = createRoute({
  method: 'patch',
  path: '/v3/components',
  summary: 'Change components, each with its own patch or all that match with one; all or none',
  request: { body: takes(ComponentPatches) },
  responses: {
    ...bodyProblems,
    ...missingProblem,
    200: answer(ComponentIds, 'The ids of the components, changed or not.'),
  },
});

const get = createRoute({
  method: 'get',
  path: PATH,
  summary: 'Get a component',
  request: { params, query: ComponentDetails },
  responses: { ...readProblems, 200: answer(ComponentWire, 'The component.') },
});

const put = createRoute({
  method: 'put',
  path: PATH,
  summary: 'Create or replace a component',
  request: { params, body: takes(ComponentBody) },
  responses: { ...bodyProblems, 200: answer(ComponentWire, 'The component as stored.') },
});

const patch = createRoute({
  method: 'patch',
  path: PATH,
  summary: 'Change a component',
  request: { params, body: takes(ComponentBody) },
  responses: {
    ...bodyProblems,
    ...missingProblem,
    200: answer(ComponentWire, 'The component as stored.'),
  },
});

const remove = createRoute({
  method: 'delete',
  path: PATH,
  summary: 'Delete a component',
  request: { params },
  responses: {
    ...writeProblems,
    ...missingProblem,
    204: { description: 'The component is deleted.' },
  },
});

export function addComponentRoutes(api: OpenAPIHono<ApiEnv>, deps: ApiDependencies): void {
  const { store, now, maxBodyBytes } = deps;
  addListRoute(api, deps);
  addComponentLists(api, deps, {
    ...{ path: '/v3/components', routes: [putMany, patchMany] },
    ...{ Item: ComponentBody, FilterPatch: ComponentFilterPatch },
    fromBody: (body) => body,
    put: async (puts) => ({
      component_ids: await store.components.put(puts, now(), ({ id }) => id),
    }),
    patch: async (patches) => ({ component_ids: await patchComponentIds(store, patches, now()) }),
  });
  api.openapi(get, async (c) => {
    const view = await findComponent(store, c.req.valid('param').component_id);
    return c.json(toComponentViewWire(view, toDetails(c.req.valid('query'))), 200);
  });
  api.on(['PUT', 'PATCH'], '/v3/components/:component_id', takeJson(maxBodyBytes));
  api.openapi(put, async (c) => {
    const body = { ...c.req.valid('json'), id: c.req.valid('param').component_id };
    return c.json(await putComponent(store, body, now(), toComponentWire), 200);
  });
  api.openapi(patch, async (c) => {
    const body = { ...c.req.valid('json'), id: c.req.valid('param').component_id };
    return c.json(await patchComponent(store, body, now(), toComponentWire), 200);
  });
  api.openapi(remove, async (c) => {
    await store.components.remove(c.req.valid('param').component_id);
    return c.body(null, 204);
  });
}

function addListRoute(api: OpenAPIHono<ApiEnv>, { store, logger }: ApiDependencies): void {
  api.openapi(list, async (c) => {
    const query = c.req.valid('query');
    const filter = fromComponentFilters(query);
    const limit = query.limit ?? (await store.options.get()).defaultPageSize;
    const details = toDetails(query);
    return answerPage(c, logger, {
      ...{ member: 'components', limit, afterId: query.after_id },
      read: (page) => store.components.list(filter, page),
      render: (items) => items.map((view) => toComponentViewWire(view, details)),
      toId: ({ component }) => component.id,
      toNext: (lastId) => toComponentNext(query, limit, lastId),
    });
  });
}

function toDetails({
  state_details: hasState = false,
  config_details: hasDesiredState = false,
}: z.output<typeof ComponentDetails>): Details {
  return { hasState, hasDesiredState };
}
