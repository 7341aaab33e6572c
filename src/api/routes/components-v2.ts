import { createRoute, z, type OpenAPIHono } from '@hono/zod-openapi';
import { takeJson } from '../body.js';
import { findComponent, patchComponent, patchComponents, putComponent } from '../components.js';
import type { ApiDependencies, ApiEnv } from '../dependencies.js';
import { answerList } from '../list-answer.js';
import { addComponentLists } from './component-lists.js';
import { ComponentId } from '../wire/component.js';
import {
  ComponentBodyV2,
  ComponentListV2,
  ComponentWireV2,
  fromComponentBodyV2,
  toComponentViewWireV2,
  toComponentWireV2,
} from '../wire/component-v2.js';
import {
  ComponentDetailsV2,
  ComponentFilterPatchV2,
  ComponentPatchesV2,
  ComponentQueryV2,
  fromComponentFilters,
} from '../wire/component-filter.js';
import {
  answer,
  bodyProblems,
  missingProblem,
  readProblems,
  takes,
  writeProblems,
} from '../wire/problem.js';

const PATH = '/v2/components/{component_id}';
const params = z.object({ component_id: ComponentId });
const components = answer(z.array(ComponentWireV2), 'The components.');
const component = answer(ComponentWireV2, 'The component.');

const list = createRoute({
  method: 'get',
  path: '/v2/components',
  summary: 'List all components, sorted by id',
  request: { query: ComponentQueryV2 },
  responses: { ...readProblems, 200: components },
});

const putMany = createRoute({
  method: 'put',
  path: '/v2/components',
  summary: 'Create or replace components, all or none',
  request: { body: takes(ComponentListV2) },
  responses: { ...bodyProblems, 200: components },
});

const patchMany = createRoute({
  method: 'patch',
  path: '/v2/components',
  summary: 'Change components, each with its own patch or all that match with one; all or none',
  request: { body: takes(ComponentPatchesV2) },
  responses: { ...bodyProblems, ...missingProblem, 200: components },
});

const get = createRoute({
  method: 'get',
  path: PATH,
  summary: 'Get a component',
  request: { params, query: ComponentDetailsV2 },
  responses: { ...readProblems, 200: component },
});

const put = createRoute({
  method: 'put',
  path: PATH,
  summary: 'Create or replace a component',
  request: { params, body: takes(ComponentBodyV2) },
  responses: { ...bodyProblems, 200: component },
});

const patch = createRoute({
  method: 'patch',
  path: PATH,
  summary: 'Change a component',
  request: { params, body: takes(ComponentBodyV2) },
  responses: { ...bodyProblems, ...missingProblem, 200: component },
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

/** Behaves like v3, with the names of v2. */
export function addComponentRoutesV2(api: OpenAPIHono<ApiEnv>, deps: ApiDependencies): void {
  const { store, now, maxBodyBytes } = deps;
  addListRoute(api, deps);
  addComponentLists(api, deps, {
    ...{ path: '/v2/components', routes: [putMany, patchMany] },
    ...{ Item: ComponentBodyV2, FilterPatch: ComponentFilterPatchV2 },
    fromBody: fromComponentBodyV2,
    put: (puts) => store.components.put(puts, now(), toComponentWireV2),
    patch: (patches) => patchComponents(store, patches, now(), toComponentWireV2),
  });
  api.openapi(get, async (c) => {
    const view = await findComponent(store, c.req.valid('param').component_id);
    return c.json(toComponentViewWireV2(view, c.req.valid('query').configDetails ?? false), 200);
  });
  api.on(['PUT', 'PATCH'], '/v2/components/:component_id', takeJson(maxBodyBytes));
  api.openapi(put, async (c) => {
    const { component_id: id } = c.req.valid('param');
    const body = { ...fromComponentBodyV2(c.req.valid('json')), id };
    return c.json(await putComponent(store, body, now(), toComponentWireV2), 200);
  });
  api.openapi(patch, async (c) => {
    const { component_id: id } = c.req.valid('param');
    const body = { ...fromComponentBodyV2(c.req.valid('json')), id };
    return c.json(await patchComponent(store, body, now(), toComponentWireV2), 200);
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
    const { defaultPageSize: limit } = await store.options.get();
    const hasDesiredState = query.configDetails ?? false;
    return answerList(c, logger, {
      limit,
      read: (page) => store.components.list(filter, page),
      render: (items) => items.map((view) => toComponentViewWireV2(view, hasDesiredState)),
      toId: ({ component }) => component.id,
    });
  });
}
