import type { OpenAPIHono } from '@hono/zod-openapi';
import type { ApiEnv } from './dependencies.js';

type Api = OpenAPIHono<ApiEnv>;
type Configuration = Parameters<Api['getOpenAPI31Document']>[0];
type Document = ReturnType<Api['getOpenAPI31Document']>;

const METHODS = ['get', 'put', 'post', 'patch', 'delete'] as const;

/** Serves the OpenAPI document of all routes, including those that are added later. */
export function addOpenApiRoute(api: Api, configuration: Configuration): void {
  api.get('/openapi.json', (c) =>
    c.json(nameOperations(api.getOpenAPI31Document(configuration)), 200),
  );
}

/** Sets `operationId`: client generators name their functions after it, and invent names if it is missing. */
function nameOperations(document: Document): Document {
  for (const [path, item] of Object.entries(document.paths ?? {}))
    for (const method of METHODS) {
      const operation = item[method];
      if (operation !== undefined) operation.operationId = toOperationId(method, path);
    }
  return document;
}

/** `GET /v3/sessions/{session_name}/logs` is `get_v3_sessions_session_name_logs`. */
function toOperationId(method: string, path: string): string {
  return [method, ...(path.match(/\w+/g) ?? [])].join('_');
}
