import { Hono } from 'hono';
import { answerProblem, createProblemHandler } from './problem.js';
import { createRequestLog } from './request-log.js';
import { createRequestMetrics } from './request-metrics.js';
import { createJobRoutes, type JobDependencies } from './routes/jobs.js';

/** Serves only the routes of jobs, at an address of their own. */
export function createJobApp(deps: JobDependencies): Hono {
  const app = new Hono();
  app.onError(createProblemHandler(deps.logger));
  app.notFound((c) => answerProblem(c, 404, `There is nothing at ${c.req.path}.`));
  app.use('*', createRequestLog(deps.logger));
  if (deps.metrics !== undefined) app.use('*', createRequestMetrics(deps.metrics));
  app.route('/', createJobRoutes(deps));
  return app;
}
