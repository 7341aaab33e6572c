import { OpenAPIHono } from '@hono/zod-openapi';
import { Hono } from 'hono';
import { omitUndefined } from '../core/omit-undefined.js';
import { createAuthentication } from './auth.js';
import type { ApiDependencies, ApiEnv } from './dependencies.js';
import { addMethodRefusals } from './methods.js';
import { addOpenApiRoute } from './openapi.js';
import { refuseForeignPages } from './origin.js';
import { answerProblem, createProblemHandler } from './problem.js';
import { createRequestLog } from './request-log.js';
import { createRequestMetrics } from './request-metrics.js';
import { addComponentRoutes } from './routes/components.js';
import { addComponentRoutesV2 } from './routes/components-v2.js';
import { addBatchRoutes } from './routes/batches.js';
import { addConfigurationRoutes } from './routes/configurations.js';
import { addConfigurationRoutesV2 } from './routes/configurations-v2.js';
import { addSourceRoutes } from './routes/sources.js';
import { addOptionRoutes } from './routes/options.js';
import { addResultRoutes } from './routes/results.js';
import { createJobRoutes } from './routes/jobs.js';
import { addMetricsRoute } from './routes/metrics.js';
import { addHoldRoute } from './routes/hold.js';
import { addReleaseRoute } from './routes/release.js';
import { addServiceRoutes } from './routes/service.js';
import { addStreamRoutes } from './routes/streams.js';
import { addSuccessorRoutes } from './routes/successors.js';
import { addSessionRoutes } from './routes/sessions.js';
import { addSessionRoutesV2 } from './routes/sessions-v2.js';
import { refuseInvalid } from './validation.js';

export { createJobApp } from './job-app.js';

const SESSION_PATHS = ['', '/apis/cfs'].flatMap((prefix) =>
  [
    ...['/v2/sessions', '/v3/sessions'],
    ...['/v3/sessions/:session_name/retry', '/v3/sessions/:session_name/apply'],
  ].map((path) => `${prefix}${path}`),
);

/** Serves the API at the root and below CFS's external prefix, and the routes of jobs unless they have their own address. */
export function createApp(deps: ApiDependencies): Hono<ApiEnv> {
  const app = new Hono<ApiEnv>();
  app.onError(createProblemHandler(deps.logger));
  app.notFound((c) => answerProblem(c, 404, `There is nothing at ${c.req.path}.`));
  app.use('*', createRequestLog(deps.logger));
  if (deps.metrics !== undefined) app.use('*', createRequestMetrics(deps.metrics));
  if (deps.serveJobs ?? true) app.route('/', createJobRoutes(deps));
  app.use('*', createAuthentication(deps.auth));
  const { auth, publicUrl } = deps;
  if (auth.kind === 'open')
    app.use('*', refuseForeignPages({ ...auth, ...omitUndefined({ publicUrl }) }));
  app.on('POST', SESSION_PATHS, async (_c, next) => {
    await deps.requireRoom?.();
    await next();
  });
  const api = createApi(deps);
  app.route('/', api);
  app.route('/apis/cfs', api);
  app.get('/apis/cfs/', () => api.request('/'));
  return app;
}

function createApi(deps: ApiDependencies): OpenAPIHono<ApiEnv> {
  const api = new OpenAPIHono<ApiEnv>({ defaultHook: (result) => refuseInvalid(result) });
  addServiceRoutes(api, deps);
  addOptionRoutes(api, deps);
  addConfigurationRoutes(api, deps);
  addConfigurationRoutesV2(api, deps);
  addSourceRoutes(api, deps);
  addComponentRoutes(api, deps);
  addComponentRoutesV2(api, deps);
  addSessionRoutes(api, deps);
  addSessionRoutesV2(api, deps);
  addResultRoutes(api, deps);
  addStreamRoutes(api, deps);
  addHoldRoute(api, deps);
  addReleaseRoute(api, deps);
  addSuccessorRoutes(api, deps);
  addBatchRoutes(api, deps);
  if (deps.registry !== undefined) addMetricsRoute(api, deps.registry);
  api.openAPIRegistry.registerComponent('securitySchemes', 'token', {
    type: 'http',
    scheme: 'bearer',
  });
  addOpenApiRoute(api, {
    openapi: '3.1.0',
    info: {
      title: 'Keelson',
      version: deps.version,
      description: 'Durable Ansible configuration sessions behind the CFS API.',
      license: { name: 'Apache-2.0' },
    },
    servers: [{ url: '/' }, { url: '/apis/cfs' }],
    security: deps.auth.kind === 'open' ? [] : [{ token: [] }],
  });
  addMethodRefusals(api);
  return api;
}
