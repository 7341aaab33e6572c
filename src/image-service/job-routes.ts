import type { Context, Hono } from 'hono';
import { missing } from '../core/errors.js';
import { limitTime } from '../core/time-limit.js';
import { readBody } from './body.js';
import type { RouteDependencies } from './dependencies.js';
import type { JobRecord } from './job-record.js';
import type { Jobs } from './jobs.js';
import { createJobRecord } from './new-job.js';
import { toTime } from './records.js';
import { newJob, toJobBody } from './wire.js';

const STATUSES = [
  ...['creating', 'fetching_image', 'fetching_recipe', 'waiting_for_repos'],
  ...['building_image', 'packaging_artifacts', 'waiting_on_user', 'error', 'success'],
];
const TYPES = ['create', 'customize'];
const MAX_WAIT_SECONDS = 60;
const UNIT_SECONDS: Readonly<Record<string, number>> = { w: 604_800, d: 86_400, h: 3600, m: 60 };
/** Such as `3d` or `2w 12h`. */
const AGE = /^\d+[wdhm](?: +\d+[wdhm])*$/;

export function addJobRoutes(app: Hono, deps: RouteDependencies): void {
  const { place, jobs } = deps;

  app.get('/jobs', async (c) => c.json((await place.jobs.list()).map(toJobBody)));

  app.post('/jobs', async (c) => {
    const job = await createJobRecord(deps, await readBody(c, newJob));
    await jobs.start(job);
    return c.json(toJobBody(job), 201);
  });

  app.get('/jobs/:id', async (c) => {
    const { id } = c.req.param();
    const status = c.req.query('while_status');
    const job =
      status === undefined ? await place.jobs.find(id) : await waitForOther(jobs, c, status);
    if (job === undefined) throw missing('Job', id);
    return c.json(toJobBody(job));
  });

  app.delete('/jobs/:id', async (c) => {
    const id = c.req.param('id');
    if (!(await jobs.remove(id))) throw missing('Job', id);
    return c.body(null, 204);
  });

  app.delete('/jobs', async (c) => {
    const filter = readFilter(c);
    if (typeof filter === 'string') return refuseQuery(c, filter);
    const chosen = (await place.jobs.list()).filter(filter);
    await Promise.all(chosen.map(({ id }) => jobs.remove(id)));
    return c.body(null, 204);
  });
}

/** Returns the job once it has another status; or unchanged, once the wait is over or the client has gone. */
async function waitForOther(
  jobs: Jobs,
  c: Context,
  status: string,
): Promise<JobRecord | undefined> {
  const text = c.req.query('wait_seconds') ?? '';
  const seconds = /^\d{1,9}$/.test(text) ? Math.min(Number(text), MAX_WAIT_SECONDS) : 0;
  const answered = new AbortController();
  const over = limitTime(seconds * 1000, c.req.raw.signal, answered.signal);
  try {
    return await jobs.findOther(c.req.param('id') ?? '', status, over);
  } finally {
    answered.abort();
  }
}

/** Returns the filter, or a text that says what is wrong with the query. */
function readFilter(c: Context): string | ((job: JobRecord) => boolean) {
  const statuses = c.req.queries('status') ?? [];
  const types = c.req.queries('job_type') ?? [];
  const age = c.req.query('age');
  const unknown =
    statuses.find((status) => !STATUSES.includes(status)) ??
    types.find((type) => !TYPES.includes(type));
  if (unknown !== undefined) return `"${unknown}" is not known`;
  if (age !== undefined && !AGE.test(age))
    return `age: "${age}" is not an age such as 3d or 2w 12h`;
  const before = age === undefined ? Infinity : Date.now() - toMilliseconds(age);
  return ({ status, created }) =>
    (statuses.length === 0 || statuses.includes(status)) &&
    (types.length === 0 || types.includes('customize')) &&
    toTime(created) < before;
}

function toMilliseconds(age: string): number {
  const seconds = age
    .split(/ +/)
    .map((part) => Number(part.slice(0, -1)) * (UNIT_SECONDS[part.slice(-1)] ?? 0));
  return 1000 * seconds.reduce((sum, each) => sum + each, 0);
}

/** Like IMS, says what is wrong with the query in the title, without a detail. */
function refuseQuery(c: Context, title: string): Response {
  const body = JSON.stringify({ status: 400, title });
  return c.body(body, 400, { 'content-type': 'application/problem+json' });
}
