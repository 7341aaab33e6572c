import { z, type OpenAPIHono, type RouteConfig } from '@hono/zod-openapi';
import { toIdentified, type ComponentPatches, type IdentifiedPatch } from '../components.js';
import type { ApiDependencies, ApiEnv } from '../dependencies.js';
import { readListBody, takeLargeInTurn } from '../list-body.js';
import { parse } from '../validation.js';
import { fromComponentFilters, type Filters } from '../wire/component-filter.js';
import { fromComponentBody, type ComponentRequest } from '../wire/component.js';

/** What differs between the versions of the API in operations on many components. */
interface ListVersion<Body> {
  readonly path: string;
  /** Only for the OpenAPI document: the router would read a list as a whole, and it may be too large for that. */
  readonly routes: readonly RouteConfig[];
  readonly Item: z.ZodType<Body>;
  readonly FilterPatch: z.ZodType<{ readonly patch: Body; readonly filters: Filters }>;
  readonly fromBody: (body: Body) => ComponentRequest;
  readonly put: (puts: readonly IdentifiedPatch[]) => Promise<object>;
  readonly patch: (patches: ComponentPatches) => Promise<object>;
}

export function addComponentLists<Body>(
  api: OpenAPIHono<ApiEnv>,
  deps: ApiDependencies,
  version: ListVersion<Body>,
): void {
  const { path, routes, Item, FilterPatch, fromBody, put, patch } = version;
  const toItem = (value: unknown, index: number) =>
    toIdentified(fromBody(parse(Item, value, [index])), index);
  for (const route of routes) api.openAPIRegistry.registerPath(route);
  api.on(['PUT', 'PATCH'], path, takeLargeInTurn(deps));
  api.put(path, async (c) => {
    const body = await readListBody(c, deps, toItem);
    return c.json(await put(body.kind === 'list' ? body.items : refuse(body.value)), 200);
  });
  api.patch(path, async (c) => {
    const body = await readListBody(c, deps, toItem);
    if (body.kind === 'list') return c.json(await patch(body.items), 200);
    const { patch: given, filters } = parse(FilterPatch, body.value);
    const asked = {
      patch: fromComponentBody(fromBody(given)),
      filters: fromComponentFilters(filters),
    };
    return c.json(await patch(asked), 200);
  });
}

/** Refuses a body that is not a list, with the message of the schemas. */
function refuse(value: unknown): readonly IdentifiedPatch[] {
  return parse(z.array(z.never()), value);
}
