import { createRoute, z, type OpenAPIHono } from '@hono/zod-openapi';
import type { ApiDependencies, ApiEnv } from '../dependencies.js';
import { problems } from '../wire/problem.js';

const metrics = createRoute({
  method: 'get',
  path: '/metrics',
  summary: 'Get the metrics for Prometheus',
  responses: {
    ...problems,
    200: {
      description:
        "Metrics in Prometheus' text format. With METRICS_LISTEN they are served at that address instead.",
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
