import type { OpenAPIHono } from '@hono/zod-openapi';
import type { ApiEnv } from './dependencies.js';

type Api = OpenAPIHono<ApiEnv>;
type Configuration = Parameters<Api['getOpenAPI31Document']>[0];
type Document = ReturnType<Api['getOpenAPI31Document']>;

const METHODS = ['get', 'put', 'post', 'patch', 'delete'] as const;

/** Serves the OpenAPI document of all routes that the API has by then. */
export function addOpenApiRoute(api: Api, configuration: Configuration): void {
  api.get('/openapi.json', (c) =>
    c.json(nameOperations(api.getOpenAPI31Document(configuration)), 200),
  );
}

/** Generators of clients name their functions after `operationId`, and invent names where there is none. */
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
