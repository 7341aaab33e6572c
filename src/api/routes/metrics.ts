import { createRoute, z, type OpenAPIHono } from '@hono/zod-openapi';
import type { ApiDependencies, ApiEnv } from '../dependencies.js';
import { problems } from '../wire/problem.js';

const metrics = createRoute({
  method: 'get',
  path: '/metrics',
  summary: 'What Prometheus reads',
  responses: {
    ...problems,
    200: {
      description: 'In the text format of Prometheus. Elsewhere where METRICS_LISTEN is set.',
      content: { 'text/plain': { schema: z.string() } },
    },
  },
});

export function addMetricsRoute(
  api: OpenAPIHono<ApiEnv>,
  registry: NonNullable<ApiDependencies['registry']>,
): void {
  api.openapi(metrics, async (c) => {
    const text = await registry.metrics();
    return c.text(text, 200, { 'content-type': registry.contentType });
  });
}
