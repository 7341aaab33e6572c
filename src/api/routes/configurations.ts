import { createRoute, z, type OpenAPIHono } from '@hono/zod-openapi';
import { omitUndefined } from '../../core/omit-undefined.js';
import { takeJson } from '../body.js';
import {
  findConfiguration,
  putConfiguration,
  refreshConfiguration,
  removeConfiguration,
} from '../configurations.js';
import type { ApiDependencies, ApiEnv } from '../dependencies.js';
import { answerPage } from '../list-answer.js';
import { readTenant } from '../tenancy.js';
import {
  ConfigurationPage,
  ConfigurationPut,
  ConfigurationQuery,
  ConfigurationWire,
  toConfigurationWire,
} from '../wire/configuration.js';
import {
  answer,
  bodyProblems,
  conflictProblem,
  missingProblem,
  readProblems,
  takes,
  writeProblems,
} from '../wire/problem.js';
import { booleanParameter } from '../wire/query.js';
import { boundedText } from '../wire/values.js';

const PATH = '/v3/configurations/{configuration_id}';
const params = z.object({ configuration_id: boundedText(1, 60) });
const headers = z.object({
  'cray-tenant-name': z.string().max(127).optional().openapi({
    description:
      'Tenant that calls; it sees and changes only its own configurations. Empty: an administrator.',
  }),
});

const list = createRoute({
  method: 'get',
  path: '/v3/configurations',
  summary: 'List configurations, sorted by name',
  request: { query: ConfigurationQuery, headers },
  responses: { ...readProblems, 200: answer(ConfigurationPage, 'A page of configurations.') },
});

const get = createRoute({
  method: 'get',
  path: PATH,
  summary: 'Get a configuration',
  request: { params, headers },
  responses: { ...readProblems, 200: answer(ConfigurationWire, 'The configuration.') },
});

const put = createRoute({
  method: 'put',
  path: PATH,
  summary: 'Create or replace a configuration; branches are resolved to commits',
  request: {
    params,
    headers,
    query: z.object({
      drop_branches: booleanParameter('Store only the commits, not the branches.'),
    }),
    body: takes(ConfigurationPut),
  },
  responses: { ...bodyProblems, 200: answer(ConfigurationWire, 'The configuration as stored.') },
});

const refresh = createRoute({
  method: 'patch',
  path: PATH,
  summary: 'Resolve the branches of a configuration to commits again',
  request: { params, headers },
  responses: {
    ...writeProblems,
    ...missingProblem,
    ...conflictProblem,
    200: answer(ConfigurationWire, 'The configuration as stored.'),
  },
});

const remove = createRoute({
  method: 'delete',
  path: PATH,
  summary: 'Delete a configuration',
  request: { params, headers },
  responses: {
    ...writeProblems,
    ...missingProblem,
    ...conflictProblem,
    204: { description: 'The configuration is deleted.' },
  },
});

export function addConfigurationRoutes(api: OpenAPIHono<ApiEnv>, deps: ApiDependencies): void {
  const { store, maxBodyBytes } = deps;
  addListRoute(api, deps);
  api.openapi(get, async (c) => {
    const tenant = await readTenant(deps, c.req.valid('header'), c.req.raw.signal);
    const stored = await findConfiguration(store, c.req.valid('param').configuration_id, tenant);
    return c.json(toConfigurationWire(stored.configuration), 200);
  });
  api.on('PUT', '/v3/configurations/:configuration_id', takeJson(maxBodyBytes));
  api.openapi(put, async (c) => {
    const tenant = await readTenant(deps, c.req.valid('header'), c.req.raw.signal);
    const configuration = await putConfiguration(deps, c.req.raw.signal, {
      tenant,
      name: c.req.valid('param').configuration_id,
      body: c.req.valid('json'),
      branchTitle: 'Error handling branches',
      isDroppingBranches: c.req.valid('query').drop_branches ?? false,
    });
    return c.json(toConfigurationWire(configuration), 200);
  });
  api.openapi(refresh, async (c) => {
    const tenant = await readTenant(deps, c.req.valid('header'), c.req.raw.signal);
    const name = c.req.valid('param').configuration_id;
    const configuration = await refreshConfiguration(deps, name, c.req.raw.signal, tenant);
    return c.json(toConfigurationWire(configuration), 200);
  });
  api.openapi(remove, async (c) => {
    const tenant = await readTenant(deps, c.req.valid('header'), c.req.raw.signal);
    await removeConfiguration(deps, c.req.valid('param').configuration_id, tenant);
    return c.body(null, 204);
  });
}

function addListRoute(api: OpenAPIHono<ApiEnv>, deps: ApiDependencies): void {
  const { store, logger } = deps;
  api.openapi(list, async (c) => {
    const tenant = await readTenant(deps, c.req.valid('header'), c.req.raw.signal);
    const query = c.req.valid('query');
    const limit = query.limit ?? (await store.options.get()).defaultPageSize;
    const { in_use: inUse, after_id: afterId } = query;
    return answerPage(c, logger, {
      ...{ member: 'configurations', limit, afterId },
      read: (page) => store.configurations.list({ ...page, ...omitUndefined({ inUse, tenant }) }),
      render: (items) => items.map(toConfigurationWire),
      toId: ({ name }) => name,
      toNext: (lastId) => ({ in_use: inUse ?? null, limit, after_id: lastId }),
    });
  });
}
