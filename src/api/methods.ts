import type { Context, Env, Hono } from 'hono';
import { answerProblem } from './problem.js';

/** Answers OPTIONS with the allowed methods of each path, and other methods with 405. Call it after adding all routes. */
export function addMethodRefusals<E extends Env>(
  app: Hono<E>,
  answer = (c: Context, detail: string): Response => answerProblem(c, 405, detail),
): void {
  const paths = new Map<string, Set<string>>();
  for (const { path, method } of app.routes) {
    if (method === 'ALL') continue;
    const methods = paths.get(path) ?? new Set(['OPTIONS']);
    methods.add(method);
    if (method === 'GET') methods.add('HEAD');
    paths.set(path, methods);
  }
  for (const [path, methods] of paths) {
    const allow = [...methods].sort().join(', ');
    app.all(path, (c) => {
      c.header('Allow', allow);
      if (c.req.method === 'OPTIONS') return c.body(null, 200);
      return answer(c, `${c.req.method} is not allowed here; allowed are ${allow}.`);
    });
  }
}
