import { createRoute, z, type OpenAPIHono } from '@hono/zod-openapi';
import { omitUndefined } from '../../core/omit-undefined.js';
import { takeJson } from '../body.js';
import { findConfiguration, putConfiguration, refreshConfiguration } from '../configurations.js';
import type { ApiDependencies, ApiEnv } from '../dependencies.js';
import { answerList } from '../list-answer.js';
import {
  ConfigurationPutV2,
  ConfigurationWireV2,
  fromConfigurationPutV2,
  toConfigurationWireV2,
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
import { CONFIGURATION, inV2 } from '../wire/v2-names.js';
import { boundedText, MAX_NAME_V2 } from '../wire/values.js';

const PATH = '/v2/configurations/{configuration_id}';
const params = z.object({ configuration_id: boundedText(1, MAX_NAME_V2) });

const list = createRoute({
  method: 'get',
  path: '/v2/configurations',
  summary: 'List all configurations, sorted by name',
  request: {
    query: z.object({ in_use: booleanParameter('Whether a component is to have it.') }),
  },
  responses: { ...readProblems, 200: answer(z.array(ConfigurationWireV2), 'The configurations.') },
});

const get = createRoute({
  method: 'get',
  path: PATH,
  summary: 'Get a configuration',
  request: { params },
  responses: { ...readProblems, 200: answer(ConfigurationWireV2, 'The configuration.') },
});

const put = createRoute({
  method: 'put',
  path: PATH,
  summary: 'Create or replace a configuration; branches are resolved to commits',
  request: { params, body: takes(ConfigurationPutV2) },
  responses: { ...bodyProblems, 200: answer(ConfigurationWireV2, 'The configuration as stored.') },
});

const refresh = createRoute({
  method: 'patch',
  path: PATH,
  summary: 'Resolve the branches of a configuration to commits again',
  request: { params },
  responses: {
    ...writeProblems,
    ...missingProblem,
    ...conflictProblem,
    200: answer(ConfigurationWireV2, 'The configuration as stored.'),
  },
});

const remove = createRoute({
  method: 'delete',
  path: PATH,
  summary: 'Delete a configuration',
  request: { params },
  responses: {
    ...writeProblems,
    ...missingProblem,
    ...conflictProblem,
    204: { description: 'The configuration is deleted.' },
  },
});

/** Behaves like v3, with the names of v2, which has neither tenants nor sources. */
export function addConfigurationRoutesV2(api: OpenAPIHono<ApiEnv>, deps: ApiDependencies): void {
  const { store, maxBodyBytes } = deps;
  addListRoute(api, deps);
  api.openapi(get, async (c) => {
    const { configuration } = await findConfiguration(store, c.req.valid('param').configuration_id);
    return c.json(toConfigurationWireV2(configuration), 200);
  });
  api.on('PUT', '/v2/configurations/:configuration_id', takeJson(maxBodyBytes));
  api.openapi(put, async (c) => {
    const request = {
      name: c.req.valid('param').configuration_id,
      body: fromConfigurationPutV2(c.req.valid('json')),
      branchTitle: 'Error handling error branches',
      isKeepingOwner: true,
    };
    const configuration = await inV2(CONFIGURATION, () =>
      putConfiguration(deps, c.req.raw.signal, request),
    );
    return c.json(toConfigurationWireV2(configuration), 200);
  });
  api.openapi(refresh, async (c) => {
    const { configuration_id: name } = c.req.valid('param');
    const configuration = await inV2(CONFIGURATION, () =>
      refreshConfiguration(deps, name, c.req.raw.signal),
    );
    return c.json(toConfigurationWireV2(configuration), 200);
  });
  api.openapi(remove, async (c) => {
    const { configuration_id: name } = c.req.valid('param');
    await store.configurations.remove(name);
    return c.body(null, 204);
  });
}

function addListRoute(api: OpenAPIHono<ApiEnv>, { store, logger }: ApiDependencies): void {
  api.openapi(list, async (c) => {
    const { in_use: inUse } = c.req.valid('query');
    const { defaultPageSize: limit } = await store.options.get();
    return answerList(c, logger, {
      limit,
      read: (page) => store.configurations.list({ ...page, ...omitUndefined({ inUse }) }),
      render: (items) => items.map(toConfigurationWireV2),
      toId: ({ name }) => name,
    });
  });
}
