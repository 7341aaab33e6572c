import { createRoute, type OpenAPIHono } from '@hono/zod-openapi';
import { isBackedOff, limitBackOff } from '../../core/backoff-cause.js';
import { omitUndefined } from '../../core/omit-undefined.js';
import type { ApiDependencies, ApiEnv } from '../dependencies.js';
import { toNext } from '../next-page.js';
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
  { store, now }: Pick<ApiDependencies, 'store' | 'now'>,
): void {
  api.openapi(list, async (c) => {
    const { state, limit: wanted, after_id: afterId } = c.req.valid('query');
    const options = await store.options.get();
    const limit = wanted ?? options.defaultPageSize;
    const [page, status, causes] = await Promise.all([
      store.batches.list(omitUndefined({ limit, state, afterId })),
      store.batches.status(),
      store.batches.causes(),
    ]);
    const members = await store.batches.members(page.items.map(({ id }) => id));
    const at = now();
    return c.json(
      {
        batcher: toBatcherWire(
          options,
          status,
          causes
            .map((cause) => limitBackOff(cause, options.batcherMaxBackoff))
            .filter((cause) => isBackedOff(cause, at)),
        ),
        batches: page.items.map((batch) => toBatchWire(batch, members.get(batch.id) ?? [])),
        next: toNext(page, ({ id }) => ({ state: state ?? null, limit, after_id: id })),
      },
      200,
    );
  });
}
