import { randomUUID } from 'node:crypto';
import type { Hono } from 'hono';
import { missing } from '../core/errors.js';
import { readBody } from './body.js';
import type { RouteDependencies } from './dependencies.js';
import { newKey, toKeyBody } from './wire.js';

/** As in IMS, the text of a key is checked only when a job needs it. */
export function addKeyRoutes(app: Hono, { place: { keys }, clock }: RouteDependencies): void {
  app.get('/public-keys', async (c) => c.json((await keys.list()).map(toKeyBody)));

  app.post('/public-keys', async (c) => {
    const { name, public_key: publicKey } = await readBody(c, newKey);
    const key = { id: randomUUID(), created: clock(), name, publicKey };
    await keys.save(key);
    return c.json(toKeyBody(key), 201);
  });

  app.get('/public-keys/:id', async (c) => {
    const key = await keys.find(c.req.param('id'));
    if (key === undefined) throw missing('Public key', c.req.param('id'));
    return c.json(toKeyBody(key));
  });

  app.delete('/public-keys/:id', async (c) => {
    const id = c.req.param('id');
    if (!(await keys.remove(id))) throw missing('Public key', id);
    return c.body(null, 204);
  });

  app.delete('/public-keys', async (c) => {
    for (const { id } of await keys.list()) await keys.remove(id);
    return c.body(null, 204);
  });
}
