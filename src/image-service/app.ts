import { Hono, type MiddlewareHandler } from 'hono';
import { isSameSecret } from '../api/auth.js';
import { addMethodRefusals } from '../api/methods.js';
import { refuseForeignPages } from '../api/origin.js';
import { missing, ServiceError } from '../core/errors.js';
import type { AppDependencies, RouteDependencies } from './dependencies.js';
import { addImageRoutes } from './image-routes.js';
import { addJobRoutes } from './job-routes.js';
import { addKeyRoutes } from './key-routes.js';
import { answerProblem, answerWrongMethod, createErrorHandler } from './problem.js';

/** The part of IMS's API that customizes images, in version 3, version 2, and version 2 without its prefix. */
export function createImageApp(deps: AppDependencies): Hono {
  const { version, logger, token } = deps;
  const app = new Hono();
  app.onError(createErrorHandler(logger));
  app.notFound((c) => answerProblem(c, 404, `There is nothing at ${c.req.path}.`));
  for (const path of ['/healthz/live', '/healthz/ready']) app.get(path, (c) => c.json({}));
  app.get('/version', (c) => c.json({ version }));
  if (token === undefined) app.use('*', refuseForeignPages());
  else app.use('*', requireToken(token));
  app.route('/', createRoutes(deps, { soft: false }));
  app.route('/v2', createRoutes(deps, { soft: false }));
  app.route('/v3', createRoutes(deps, { soft: true }));
  addMethodRefusals(app, answerWrongMethod);
  return app;
}

function createRoutes(deps: RouteDependencies, { soft }: { readonly soft: boolean }): Hono {
  const routes = new Hono();
  addImageRoutes(routes, deps, soft);
  addKeyRoutes(routes, deps);
  addJobRoutes(routes, deps);
  routes.get('/recipes', (c) => c.json([]));
  if (soft) addEmptyCollections(routes);
  return routes;
}

/** Collections that version 3 has and that are always empty here. */
function addEmptyCollections(routes: Hono): void {
  routes.get('/remote-build-nodes', (c) => c.json([]));
  for (const kind of ['images', 'public-keys', 'recipes']) {
    const path = `/deleted/${kind}`;
    routes.get(path, (c) => c.json([]));
    // Removing or restoring all of an empty collection succeeds.
    routes.on(['DELETE', 'PATCH'], path, (c) => c.body(null, 204));
    // Clients delete a record in its own collection first and then here, and it is already gone.
    routes.delete(`${path}/:id`, (c) => c.body(null, 204));
    routes.on(['GET', 'PATCH'], `${path}/:id`, (c) => {
      throw missing('Deleted record', c.req.param('id'));
    });
  }
}

function requireToken(token: string): MiddlewareHandler {
  return async (c, next) => {
    if (!isSameSecret(c.req.header('authorization') ?? '', `Bearer ${token}`))
      throw new ServiceError('unauthenticated', 'The request has no token, or a wrong one.');
    await next();
  };
}
