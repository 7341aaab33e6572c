import { createRoute, type OpenAPIHono } from '@hono/zod-openapi';
import { invalid } from '../../core/errors.js';
import type { Options } from '../../core/options.js';
import { takeJson } from '../body.js';
import type { ApiDependencies, ApiEnv } from '../dependencies.js';
import { findUrlFault } from '../repository-url.js';
import { answer, bodyProblems, problems, takes } from '../wire/problem.js';
import { fromOptionsPatch, OptionsPatch, OptionsWire, toOptionsWire } from '../wire/options.js';

const get = createRoute({
  method: 'get',
  path: '/v3/options',
  summary: 'Options of the service',
  responses: { ...problems, 200: answer(OptionsWire, 'All options.') },
});

const patch = createRoute({
  method: 'patch',
  path: '/v3/options',
  summary: 'Change options',
  request: { body: takes(OptionsPatch) },
  responses: { ...bodyProblems, 200: answer(OptionsWire, 'All options as they are now.') },
});

export function addOptionRoutes(
  api: OpenAPIHono<ApiEnv>,
  { store, gitProtocols, maxBodyBytes }: ApiDependencies,
): void {
  api.openapi(get, async (c) => c.json(toOptionsWire(await store.options.get()), 200));
  api.on('PATCH', '/v3/options', takeJson(maxBodyBytes));
  api.openapi(patch, async (c) => {
    const changes = fromOptionsPatch(c.req.valid('json'));
    checkInventoryUrl(changes, gitProtocols);
    return c.json(toOptionsWire(await store.options.patch(changes)), 200);
  });
}

/** Sessions clone it like any layer. */
function checkInventoryUrl(
  { additionalInventoryUrl = '' }: Partial<Options>,
  allowed: string,
): void {
  const fault =
    additionalInventoryUrl === '' ? undefined : findUrlFault(additionalInventoryUrl, allowed);
  if (fault !== undefined) throw invalid(`${fault} - 'additional_inventory_url'`);
}
