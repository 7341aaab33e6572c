import { createRoute, type OpenAPIHono } from '@hono/zod-openapi';
import { isBackedOff, limitBackOff } from '../../core/backoff-cause.js';
import { omitUndefined } from '../../core/omit-undefined.js';
import type { ApiDependencies, ApiEnv } from '../dependencies.js';
import { answerPage } from '../list-answer.js';
import { BatchPage, BatchQuery, toBatcherWire, toBatchWire } from '../wire/batch.js';
import { answer, readProblems } from '../wire/problem.js';

const list = createRoute({
  method: 'get',
  path: '/v3/batches',
  summary: 'Get the state of the batcher and its batches, sorted by id',
  request: { query: BatchQuery },
  responses: { ...readProblems, 200: answer(BatchPage, 'A page of batches.') },
});

export function addBatchRoutes(
  api: OpenAPIHono<ApiEnv>,
  { store, now, logger }: Pick<ApiDependencies, 'store' | 'now' | 'logger'>,
): void {
  api.openapi(list, async (c) => {
    const { state, limit: wanted, after_id: afterId } = c.req.valid('query');
    const options = await store.options.get();
    const limit = wanted ?? options.defaultPageSize;
    const [status, causes] = await Promise.all([store.batches.status(), store.batches.causes()]);
    const at = now();
    const batcher = toBatcherWire(
      options,
      status,
      causes
        .map((cause) => limitBackOff(cause, options.batcherMaxBackoff))
        .filter((cause) => isBackedOff(cause, at)),
    );
    return answerPage(
      c,
      logger,
      {
        ...{ member: 'batches', limit, afterId },
        read: (page) => store.batches.list({ ...page, ...omitUndefined({ state }) }),
        render: async (items) => {
          const members = await store.batches.members(items.map(({ id }) => id));
          return items.map((batch) => toBatchWire(batch, members.get(batch.id) ?? []));
        },
        toId: ({ id }) => id,
        toNext: (lastId) => ({ state: state ?? null, limit, after_id: lastId }),
      },
      { batcher },
    );
  });
}
