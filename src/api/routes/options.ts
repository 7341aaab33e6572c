import { createRoute, type OpenAPIHono, type z } from '@hono/zod-openapi';
import { invalid } from '../../core/errors.js';
import type { Options } from '../../core/options.js';
import { takeJson } from '../body.js';
import type { ApiDependencies, ApiEnv } from '../dependencies.js';
import { findUrlFault } from '../repository-url.js';
import { answer, bodyProblems, problems, takes } from '../wire/problem.js';
import {
  fromOptionsPatch,
  fromOptionsPatchV2,
  OptionsPatch,
  OptionsPatchV2,
  OptionsWire,
  OptionsWireV2,
  toOptionsWire,
  toOptionsWireV2,
} from '../wire/options.js';
import { inV2, OPTIONS } from '../wire/v2-names.js';

const v3 = describeRoutes('/v3/options', OptionsWire, OptionsPatch);
const v2 = describeRoutes('/v2/options', OptionsWireV2, OptionsPatchV2);

export function addOptionRoutes(api: OpenAPIHono<ApiEnv>, deps: ApiDependencies): void {
  const { store, maxBodyBytes } = deps;
  api.openapi(v3.get, async (c) => c.json(toOptionsWire(await store.options.get()), 200));
  api.on('PATCH', ['/v3/options', '/v2/options'], takeJson(maxBodyBytes));
  api.openapi(v3.patch, async (c) => {
    const options = await patchOptions(deps, fromOptionsPatch(c.req.valid('json')));
    return c.json(toOptionsWire(options), 200);
  });
  api.openapi(v2.get, async (c) => c.json(toOptionsWireV2(await store.options.get()), 200));
  api.openapi(v2.patch, async (c) => {
    const changes = fromOptionsPatchV2(c.req.valid('json'));
    const options = await inV2(OPTIONS, () => patchOptions(deps, changes));
    return c.json(toOptionsWireV2(options), 200);
  });
}

function describeRoutes<const P extends string, W extends z.ZodType, B extends z.ZodType>(
  path: P,
  wire: W,
  body: B,
) {
  return {
    get: createRoute({
      method: 'get',
      path,
      summary: 'Get the options',
      responses: { ...problems, 200: answer(wire, 'All options.') },
    }),
    patch: createRoute({
      method: 'patch',
      path,
      summary: 'Change options',
      request: { body: takes(body) },
      responses: { ...bodyProblems, 200: answer(wire, 'All options, as changed.') },
    }),
  };
}

async function patchOptions(
  { store, gitProtocols, now, logger }: ApiDependencies,
  changes: Partial<Options>,
): Promise<Options> {
  checkInventoryUrl(changes, gitProtocols);
  const options = await store.options.patch(changes);
  // Sessions that may go with the new options go now, not at the next sweep.
  if ('maxRunningSessions' in changes || 'hostLocks' in changes)
    await store.admission.admit(now()).catch((error: unknown) => {
      logger.warn(
        { err: error },
        'options are stored; sessions that they let run start at the next sweep',
      );
    });
  return options;
}

/** Applies the rules for layers, because sessions clone the inventory like a layer. */
function checkInventoryUrl(
  { additionalInventoryUrl = '' }: Partial<Options>,
  allowed: string,
): void {
  const fault =
    additionalInventoryUrl === '' ? undefined : findUrlFault(additionalInventoryUrl, allowed);
  if (fault !== undefined) throw invalid(`${fault} - 'additional_inventory_url'`);
}
