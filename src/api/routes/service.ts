import { createRoute, z, type OpenAPIHono } from '@hono/zod-openapi';
import type { Logger, ApiDependencies, ApiEnv } from '../dependencies.js';
import { answer, problems } from '../wire/problem.js';

/**
 * The version of CFS whose API this is. Clients conclude from it what they may use: names for images from 1.12 on, restored
 * sources from 1.23 on.
 */
const CFS_VERSION = { major: '1', minor: '31', patch: '1' };

const Version = z
  .object({ major: z.string(), minor: z.string(), patch: z.string() })
  .openapi('Version', { example: CFS_VERSION });

const state = z.enum(['ok', 'not_available']);

const Health = z
  .object({
    db_status: state,
    kafka_status: state.openapi({ description: 'For clients of CFS: the same as `db_status`.' }),
    temporal_status: z
      .enum([...state.options, 'not_used'])
      .openapi({ description: 'Without Temporal, sessions are accepted and wait.' }),
    temporal_ui: z.string().nullable().openapi({ description: "URL of Temporal's Web UI." }),
  })
  .openapi('Health');

const Alive = z.object({ status: state });

const versionRoutes = (['/', '/versions', '/v2', '/v3'] as const).map((path) =>
  createRoute({
    method: 'get',
    path,
    summary: 'Get the version of CFS whose API this is',
    responses: { ...problems, 200: answer(Version, 'The version.') },
  }),
);

const health = createRoute({
  method: 'get',
  path: '/healthz',
  summary: 'Check whether sessions can be accepted',
  responses: {
    200: answer(Health, 'They can.'),
    503: answer(Health, 'They cannot: the database does not answer.'),
  },
});

const live = createRoute({
  method: 'get',
  path: '/healthz/live',
  summary: 'Check whether the process answers',
  responses: { 200: answer(Alive, 'It does.') },
});

const ready = createRoute({
  method: 'get',
  path: '/healthz/ready',
  summary: 'Check whether the process can serve requests',
  responses: { 200: answer(Alive, 'It can.'), 503: answer(Alive, 'Not now.') },
});

export function addServiceRoutes(api: OpenAPIHono<ApiEnv>, deps: ApiDependencies): void {
  for (const route of versionRoutes) api.openapi(route, (c) => c.json(CFS_VERSION, 200));
  api.openapi(health, async (c) => {
    const { orchestrator } = deps;
    const [database, temporal] = await Promise.all([
      isAnswering(deps.logger, () => deps.store.ping().then(() => true)),
      orchestrator === undefined
        ? ('not_used' as const)
        : isAnswering(deps.logger, () => orchestrator.check()).then(toState),
    ]);
    const body = {
      db_status: toState(database),
      kafka_status: toState(database),
      temporal_status: temporal,
      temporal_ui: deps.uiUrl ?? null,
    };
    return database ? c.json(body, 200) : c.json(body, 503);
  });
  api.openapi(live, (c) => c.json({ status: toState(true) }, 200));
  api.openapi(ready, async (c) => {
    const database = await isAnswering(deps.logger, () => deps.store.ping().then(() => true));
    return database
      ? c.json({ status: toState(true) }, 200)
      : c.json({ status: toState(false) }, 503);
  });
}

function toState(isOk: boolean): z.output<typeof state> {
  return isOk ? 'ok' : 'not_available';
}

async function isAnswering(logger: Logger, ask: () => Promise<boolean>): Promise<boolean> {
  try {
    return await ask();
  } catch (error) {
    logger.warn({ err: error }, 'health check failed');
    return false;
  }
}
