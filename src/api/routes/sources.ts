import { createRoute, z, type OpenAPIHono } from '@hono/zod-openapi';
import { omitUndefined } from '../../core/omit-undefined.js';
import { takeJson } from '../body.js';
import type { ApiDependencies, ApiEnv } from '../dependencies.js';
import { answerPage } from '../list-answer.js';
import { createSource, findSource, restoreSource, updateSource } from '../sources.js';
import {
  answer,
  bodyProblems,
  conflictProblem,
  missingProblem,
  readProblems,
  takes,
  writeProblems,
} from '../wire/problem.js';
import {
  SourceCreate,
  SourcePage,
  SourceQuery,
  SourceRestore,
  SourceUpdate,
  SourceWire,
  toSourceWire,
} from '../wire/source.js';
import { text } from '../wire/values.js';

const PATH = '/v3/sources/{source_id}';
const params = z.object({
  source_id: text().openapi({
    description: 'Decoded twice: encode a name that contains a slash twice.',
  }),
});

const list = createRoute({
  method: 'get',
  path: '/v3/sources',
  summary: 'List sources, sorted by name',
  request: { query: SourceQuery },
  responses: { ...readProblems, 200: answer(SourcePage, 'A page of sources.') },
});

const create = createRoute({
  method: 'post',
  path: '/v3/sources',
  summary: 'Create a source; its credentials are stored encrypted and never returned',
  request: { body: takes(SourceCreate) },
  responses: {
    ...bodyProblems,
    ...conflictProblem,
    201: answer(SourceWire, 'The source as stored.'),
  },
});

const get = createRoute({
  method: 'get',
  path: PATH,
  summary: 'Get a source',
  request: { params },
  responses: { ...readProblems, 200: answer(SourceWire, 'The source.') },
});

const update = createRoute({
  method: 'patch',
  path: PATH,
  summary: 'Change a source; to move it to another server, give credentials for that one',
  request: { params, body: takes(SourceUpdate) },
  responses: {
    ...bodyProblems,
    ...missingProblem,
    ...conflictProblem,
    200: answer(SourceWire, 'The source as stored.'),
  },
});

const restore = createRoute({
  method: 'post',
  path: PATH,
  summary: 'Create a source whose credentials are already in Vault',
  request: { params, body: takes(SourceRestore) },
  responses: {
    ...bodyProblems,
    ...conflictProblem,
    201: answer(SourceWire, 'The source as stored.'),
  },
});

const remove = createRoute({
  method: 'delete',
  path: PATH,
  summary: 'Delete a source that nothing uses',
  request: { params },
  responses: {
    ...writeProblems,
    ...missingProblem,
    204: { description: 'The source is deleted.' },
  },
});

export function addSourceRoutes(api: OpenAPIHono<ApiEnv>, deps: ApiDependencies): void {
  const { store, maxBodyBytes } = deps;
  addListRoute(api, deps);
  api.on('POST', ['/v3/sources', '/v3/sources/:source_id'], takeJson(maxBodyBytes));
  api.on('PATCH', '/v3/sources/:source_id', takeJson(maxBodyBytes));
  api.openapi(create, async (c) =>
    c.json(toSourceWire(await createSource(deps, c.req.valid('json'))), 201),
  );
  api.openapi(get, async (c) => {
    const { source } = await findSource(store, toName(c.req.valid('param')));
    return c.json(toSourceWire(source), 200);
  });
  api.openapi(update, async (c) => {
    const name = toName(c.req.valid('param'));
    return c.json(toSourceWire(await updateSource(deps, name, c.req.valid('json'))), 200);
  });
  api.openapi(restore, async (c) => {
    const name = toName(c.req.valid('param'));
    return c.json(toSourceWire(await restoreSource(deps, name, c.req.valid('json'))), 201);
  });
  api.openapi(remove, async (c) => {
    await store.sources.remove(toName(c.req.valid('param')));
    return c.body(null, 204);
  });
}

function addListRoute(api: OpenAPIHono<ApiEnv>, { store, logger }: ApiDependencies): void {
  api.openapi(list, async (c) => {
    const { in_use: inUse, limit: asked, after_id: afterId } = c.req.valid('query');
    const limit = asked ?? (await store.options.get()).defaultPageSize;
    return answerPage(c, logger, {
      ...{ member: 'sources', limit, afterId },
      read: (page) => store.sources.list({ ...page, ...omitUndefined({ inUse }) }),
      render: (items) => items.map(toSourceWire),
      toId: ({ name }) => name,
      toNext: (lastId) => ({ in_use: inUse ?? null, limit, after_id: lastId }),
    });
  });
}

/** The router has decoded the name once. It stays as it is if it cannot be decoded again, or only into text with NUL. */
function toName({ source_id: encoded }: z.output<typeof params>): string {
  try {
    const name = decodeURIComponent(encoded);
    return name.includes('\0') ? encoded : name;
  } catch {
    return encoded;
  }
}
