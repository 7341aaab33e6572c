import { gzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { createJobApp } from '../../src/api/job-app.js';
import { toJobToken } from '../../src/api/job-token.js';
import {
  fromHostDelivery,
  fromPhaseDelivery,
  HostDelivery,
  PhaseDelivery,
} from '../../src/api/wire/delivery.js';
import { waitFor } from '../support/wait.js';
import { MASTER_KEY, openService, type Answer, type TestService } from './service.js';

let service: TestService;
let jobId: string;
beforeAll(async () => {
  service = await openService();
  jobId = await plan('running');
});
afterAll(() => service.close());

async function plan(name: string): Promise<string> {
  await service.ask('POST', '/v3/sessions', { name, configuration_name: 'debug_noop' });
  const { jobId: job } = (await service.store.sessions.find(name)) ?? { jobId: '' };
  await service.store.phases.savePlan(
    job,
    ['inventory', 'ansible-0', 'held', 'sealed'].map((phase) => ({
      name: phase,
      kind: 'ansible',
      title: phase,
    })),
  );
  const at = new Date().toISOString();
  await service.store.logs.append(job, 'sealed', 0, Buffer.from('stored'));
  await service.store.phases.seal(job, 'sealed', { kind: 'killed', reason: 'stopped' }, at);
  return job;
}

interface Delivery {
  readonly job?: string;
  readonly token?: string;
  readonly body?: unknown;
  readonly headers?: Record<string, string>;
}

function deliver(method: string, path: string, delivery: Delivery = {}): Promise<Answer> {
  const { job = jobId, body } = delivery;
  const headers = new Headers(delivery.headers);
  headers.set('authorization', `Bearer ${delivery.token ?? toJobToken(MASTER_KEY, job)}`);
  return service.ask(method, `/jobs/${job}/phases/${path}`, body, headers);
}

const upload = (offset: number | string, body: string | Uint8Array, encoding?: string) => ({
  body,
  headers: {
    'content-type': 'application/partial-upload',
    'upload-offset': String(offset),
    ...(encoding === undefined ? {} : { 'content-encoding': encoding }),
  },
});

async function readLog(phase: string): Promise<string> {
  const parts: Uint8Array[] = [];
  for await (const part of service.store.logs.read(jobId, phase, 0)) parts.push(part);
  return Buffer.concat(parts).toString();
}

const started = { state: 'running', started_at: '2026-01-01T00:00:00+01:00' };
const row = {
  host: 'x1',
  ok: 1,
  changed: 0,
  failed: 0,
  skipped: 0,
  unreachable: 0,
  incomplete: false,
};
const results = { sequence: 1, final: false, hosts: [row] };
const waiting = { since: '2026-01-01T00:00:00Z', message: 'git: no answer', over: false };
const silent = {
  sequence: 1,
  silence: {
    task: 'Mount',
    since: '2026-01-01T00:00:00Z',
    hosts: 12,
    names: ['x1', 'x2', 'x3', 'x4'],
    others: 2,
  },
};
const held = {
  since: '2026-01-01T00:00:00Z',
  until: '2026-01-01T01:00:00Z',
  command: 'ssh there',
};

describe('job token', () => {
  test('is the HMAC of the job id with the master key', () => {
    expect(toJobToken(Buffer.from('key'), 'cfs-a-00000000')).toBe(
      'V4PSAo5JOzxVIWzWD9z876Asopak4xu-shCtlZRHh9A',
    );
  });

  test.each([
    ['PUT', 'ansible-0'],
    ['HEAD', 'ansible-0/log'],
    ['PATCH', 'ansible-0/log'],
    ['PUT', 'ansible-0/hosts'],
    ['PUT', 'ansible-0/hold'],
    ['PUT', 'ansible-0/wait'],
    ['PUT', 'ansible-0/silence'],
    ['GET', 'ansible-0/hold'],
  ])('%s %s is 401 without it, or with that of another job', async (method, path) => {
    const token = toJobToken(MASTER_KEY, 'cfs-other-00000000');
    expect((await deliver(method, path, { token })).status).toBe(401);
    const bare = await service.ask(method, `/jobs/${jobId}/phases/${path}`);
    expect(bare.status).toBe(401);
    expect(bare.headers.get('www-authenticate')).toBe('Bearer');
  });
});

describe('what a job delivers', () => {
  const at = '2026-01-01T00:00:09.000Z';
  const startedAt = '2025-12-31T23:00:00.000Z';
  const ended = { ...started, state: 'ended', ended_at: at };

  test.each([
    ['a phase that runs', started, { state: 'running' }],
    ['a phase whose wrapper was lost', ended, { state: 'ended' }],
    [
      'a phase that ended',
      { ...ended, exit_code: 2 },
      { state: 'ended', result: { kind: 'exited', exitCode: 2, startedAt, endedAt: at } },
    ],
  ])('%s has a result only if it is known', (_, body, report) => {
    expect(fromPhaseDelivery(PhaseDelivery.parse(body))).toEqual({ startedAt, ...report });
  });

  test.each([
    [{}, {}],
    [{ records_state: false, records_incomplete: false, whole: false }, {}],
    [{ records_state: true }, { recordedAt: at }],
    [{ records_incomplete: true }, { recordedAt: at, incompleteState: true }],
    [{ whole: true }, { whole: true }],
  ])('becomes component state, or counts as whole, only if it says so: %j', (body, more) => {
    const delivery = HostDelivery.parse({ ...results, ...body });
    expect(fromHostDelivery(delivery, at)).toEqual({ ...results, ...more });
  });
});

describe('PUT …', () => {
  test('records start and end; a late start changes nothing', async () => {
    expect((await deliver('PUT', 'inventory', { body: started })).status).toBe(204);
    const ended = {
      ...started,
      state: 'ended',
      ended_at: '2026-01-01T00:00:09Z',
      exit_code: 0,
      log_bytes: 12,
      of_a_later_version: true,
    };
    expect((await deliver('PUT', 'inventory', { body: ended })).status).toBe(204);
    expect((await deliver('PUT', 'inventory', { body: started })).status).toBe(204);
    expect(await service.store.phases.find(jobId, 'inventory')).toMatchObject({
      startedAt: '2025-12-31T23:00:00.000Z',
      reportedLogBytes: 12,
      reportedResult: { kind: 'exited', exitCode: 0, endedAt: '2026-01-01T00:00:09.000Z' },
    });
    const killed = { ...ended, exit_code: undefined, killed: 'timeout' };
    expect((await deliver('PUT', 'inventory', { body: killed })).status).toBe(204);
    expect(await service.store.phases.find(jobId, 'inventory')).toMatchObject({
      reportedResult: { kind: 'killed', reason: 'timeout' },
    });
  });

  test('takes gzip', async () => {
    const body = gzipSync(JSON.stringify(started));
    const headers = { 'content-encoding': 'gzip' };
    expect((await deliver('PUT', 'held', { body, headers })).status).toBe(204);
  });
});

describe('PATCH …/log', () => {
  test('stores by offset, skips stored bytes, and returns the expected offset', async () => {
    const first = await deliver('PATCH', 'ansible-0/log', upload(0, 'hello '));
    expect(first.status).toBe(204);
    expect(first.headers.get('upload-offset')).toBe('6');
    const repeat = await deliver('PATCH', 'ansible-0/log', upload(0, 'hello '));
    expect([repeat.status, repeat.headers.get('upload-offset')]).toEqual([204, '6']);
    const overlapping = await deliver('PATCH', 'ansible-0/log', upload(3, 'lo world'));
    expect([overlapping.status, overlapping.headers.get('upload-offset')]).toEqual([204, '11']);
    const beyond = await deliver('PATCH', 'ansible-0/log', upload(50, 'x'));
    expect([beyond.status, beyond.headers.get('upload-offset')]).toEqual([409, '11']);
    const packed = upload(11, gzipSync('!'), 'gzip');
    expect((await deliver('PATCH', 'ansible-0/log', packed)).headers.get('upload-offset')).toBe(
      '12',
    );
    expect(await readLog('ansible-0')).toBe('hello world!');
    const head = await deliver('HEAD', 'ansible-0/log');
    expect([head.status, head.headers.get('upload-offset')]).toEqual([204, '12']);
  });

  test('accepts gzip that states a smaller size than it has', async () => {
    const parts = [gzipSync('x'.repeat(100_000)), gzipSync('y'.repeat(5000)), gzipSync('z')];
    const packed = upload(0, Buffer.concat(parts), 'gzip');
    const answer = await deliver('PATCH', 'inventory/log', packed);
    expect([answer.status, answer.headers.get('upload-offset')]).toEqual([204, '105001']);
    expect(await readLog('inventory')).toMatch(/^x{100000}y{5000}z$/);
  });

  test('accepts only stored bytes of a sealed phase', async () => {
    expect((await deliver('PATCH', 'sealed/log', upload(0, 'stor'))).status).toBe(204);
    expect((await deliver('PATCH', 'sealed/log', upload(6, 'more'))).status).toBe(410);
  });

  test.each([
    ['another content type', { body: 'x', headers: { 'upload-offset': '0' } }, 400],
    ['no offset', { body: 'x', headers: { 'content-type': 'application/partial-upload' } }, 400],
    ['an offset that is no number', upload('-1', 'x'), 400],
    ['another encoding', upload(12, 'x', 'br'), 400],
    ['broken gzip', upload(12, 'x', 'gzip'), 400],
    ['more than 1 MiB', upload(12, Buffer.alloc(1024 * 1024 + 1)), 413],
    [
      'more than 8 MiB inside',
      upload(12, gzipSync(Buffer.alloc(8 * 1024 * 1024 + 1)), 'gzip'),
      413,
    ],
  ])('refuses %s', async (_what, delivery, status) => {
    expect((await deliver('PATCH', 'ansible-0/log', delivery)).status).toBe(status);
    expect(await readLog('ansible-0')).toBe('hello world!');
  });
});

describe('PUT …/hosts', () => {
  test('replaces a row only for a higher sequence', async () => {
    const save = (sequence: number, ok: number) =>
      deliver('PUT', 'ansible-0/hosts', {
        body: { sequence, final: true, hosts: [{ ...row, ok, task: null, message: 'm' }] },
      });
    expect((await save(2, 20)).status).toBe(204);
    expect((await save(1, 10)).status).toBe(204);
    const { items } = await service.store.hosts.list(jobId, { limit: 5 });
    expect(items).toEqual([{ ...row, phase: 'ansible-0', ok: 20, message: 'm' }]);
  });

  test.each([
    [{ ...results, sequence: -1 }, 'sequence'],
    [{ ...results, hosts: [{ ...row, ok: '1' }] }, 'hosts.0.ok'],
    [{ ...results, hosts: [{ ...row, message: 'é'.repeat(513) }] }, 'hosts.0.message'],
    [{ ...results, hosts: Array.from({ length: 1001 }, () => row) }, 'hosts'],
    [
      { ...results, rerun: { count: 2 ** 31, files_changed: true, first_sequence: 1 } },
      'rerun.count',
    ],
    ['{', 'JSON'],
  ])('refuses %# and names %s', async (body, named) => {
    const answer = await deliver('PUT', 'inventory/hosts', { body });
    expect(answer).toMatchObject({
      status: 400,
      body: { detail: expect.stringContaining(named) },
    });
  });
});

describe('…/hold', () => {
  test('is recorded, and a wait ends after its time', async () => {
    expect((await deliver('PUT', 'held/hold', { body: held })).status).toBe(204);
    expect(await service.store.phases.find(jobId, 'held')).toMatchObject({
      hold: { command: 'ssh there' },
    });
    // Wanted, because the job holds only what it was told to, even if a restored record is older than that.
    expect(await deliver('GET', 'held/hold')).toMatchObject({
      status: 200,
      body: { released: false, held: false, wanted: true },
    });
    const lasting = { ...held, seconds_left: 60 };
    expect((await deliver('PUT', 'held/hold', { body: lasting })).status).toBe(204);
    expect(await deliver('GET', 'held/hold')).toMatchObject({ body: { held: true } });
    const other = encodeURIComponent('2026-01-01T00:00:01.000Z');
    expect(await deliver('GET', `held/hold?since=${other}`)).toMatchObject({
      body: { released: false, held: false },
    });
    const begin = performance.now();
    expect(await deliver('GET', 'held/hold?wait=1')).toMatchObject({ body: { released: false } });
    expect(performance.now() - begin).toBeGreaterThan(900);
  });

  test('a wait ends when the phase is sealed meanwhile', async () => {
    const job = await plan('held-session');
    const waiting = deliver('GET', 'held/hold?wait=25', { job });
    const at = new Date().toISOString();
    await service.store.phases.seal(job, 'held', { kind: 'killed', reason: 'stopped' }, at);
    expect((await waiting).status).toBe(410);
  });

  test('refuses a wait that is not a number', async () => {
    expect((await deliver('GET', 'held/hold?wait=x')).status).toBe(400);
  });
});

describe('…/hosts', () => {
  test('of a rerun take the place of those before', async () => {
    const job = await plan('rerun');
    const counts = { ok: 1, changed: 0, failed: 0, skipped: 0, unreachable: 0, incomplete: false };
    const put = (body: object) => deliver('PUT', 'ansible-0/hosts', { job, body });
    const before = { sequence: 1, final: false, hosts: [{ host: 'x1', ...counts }] };
    expect((await put(before)).status).toBe(204);
    const rerun = { count: 1, files_changed: true, first_sequence: 3 };
    expect((await put({ sequence: 3, final: false, hosts: [], rerun })).status).toBe(204);
    expect((await service.ask('GET', '/v3/sessions/rerun/hosts')).body).toMatchObject({
      hosts: [],
    });
    const { body } = await service.ask('GET', '/v3/sessions/rerun/phases');
    expect((body as { readonly phases: readonly object[] }).phases).toContainEqual(
      expect.objectContaining({ name: 'ansible-0', reruns: 1, files_changed: true }),
    );
    const odd = { sequence: 4, final: false, hosts: [], rerun: { ...rerun, count: 0 } };
    expect((await put(odd)).status).toBe(400);
  });
});

describe('…/wait', () => {
  test('is on the record of the session until it is over', async () => {
    const job = await plan('waiting');
    const read = async () => (await service.store.sessions.get(job))?.waiting;
    await service.store.phases.start(job, 'inventory');
    expect((await deliver('PUT', 'inventory/wait', { job, body: waiting })).status).toBe(204);
    expect(await read()).toEqual({
      since: '2026-01-01T00:00:00.000Z',
      message: 'Waiting: git: no answer',
      phase: 'inventory',
    });
    const body = { ...waiting, over: true };
    expect((await deliver('PUT', 'inventory/wait', { job, body })).status).toBe(204);
    expect(await read()).toBeUndefined();
  });
});

describe('…/silence', () => {
  test('is recorded, and removed when it is over', async () => {
    const read = async () => (await service.store.phases.find(jobId, 'ansible-0'))?.silence;
    expect((await deliver('PUT', 'ansible-0/silence', { body: silent })).status).toBe(204);
    expect(await read()).toEqual({ ...silent.silence, since: '2026-01-01T00:00:00.000Z' });
    const body = { sequence: 2, silence: null };
    expect((await deliver('PUT', 'ansible-0/silence', { body })).status).toBe(204);
    const endless = { sequence: 2 ** 31, silence: null };
    expect((await deliver('PUT', 'ansible-0/silence', { body: endless })).status).toBe(400);
    expect(await read()).toBeUndefined();
  });
});

describe('every delivery', () => {
  const deliveries = [
    ['PUT', '', { body: started }],
    ['PATCH', '/log', upload(0, 'new')],
    ['PUT', '/hosts', { body: results }],
    ['PUT', '/hold', { body: held }],
    ['PUT', '/wait', { body: waiting }],
    ['PUT', '/silence', { body: silent }],
    ['GET', '/hold', {}],
  ] as const;

  test.each(deliveries)(
    '%s …%s is 404 for no such phase or job',
    async (method, path, delivery) => {
      expect((await deliver(method, `nothing${path}`, delivery)).status).toBe(404);
      const job = 'cfs-nobody-00000000';
      expect((await deliver(method, `inventory${path}`, { ...delivery, job })).status).toBe(404);
    },
  );

  test.each(deliveries)(
    '%s …%s is 410 when the phase is sealed',
    async (method, path, delivery) => {
      expect((await deliver(method, `sealed${path}`, delivery)).status).toBe(410);
    },
  );

  test.each(deliveries)(
    '%s …%s is 410 when the session is over',
    async (method, path, delivery) => {
      const job = await plan(`over-${method.toLowerCase()}${path.replace('/', '-')}`);
      const at = new Date().toISOString();
      await service.store.sessions.recordOutcome(job, { succeeded: 'true' }, at);
      expect((await deliver(method, `inventory${path}`, { ...delivery, job })).status).toBe(410);
    },
  );

  test('is 503 with Retry-After when the database does not answer', async () => {
    const other = await openService();
    await other.store.close();
    const headers = new Headers({ authorization: `Bearer ${toJobToken(MASTER_KEY, 'cfs-a-0')}` });
    const answer = await other.ask('PUT', '/jobs/cfs-a-0/phases/a', started, headers);
    expect(answer.status).toBe(503);
    expect(answer.headers.get('retry-after')).toBe('1');
    await other.close();
  });

  test('is 429 with Retry-After while the maximum number is being handled', async () => {
    const slow = () => new ReadableStream({ pull: () => new Promise(() => undefined) });
    const app = createJobApp(service.deps);
    const send = (body: string | ReadableStream) =>
      app.request(`/jobs/${jobId}/phases/ansible-0/hosts`, {
        method: 'PUT',
        body,
        headers: { authorization: `Bearer ${toJobToken(MASTER_KEY, jobId)}` },
        ...(typeof body === 'string' ? {} : { duplex: 'half' as const }),
      });
    for (let count = 0; count < 64; count += 1) void send(slow());
    const answer = await waitFor(async () => {
      const tried = await send(JSON.stringify(results));
      return tried.status === 429 ? tried : undefined;
    });
    expect(answer.headers.get('retry-after')).toBe('1');
  });
});

describe('where jobs deliver', () => {
  test('is not below the external prefix, and not public if it has its own address', async () => {
    const prefixed = await service.ask('GET', `/apis/cfs/jobs/${jobId}/phases/held/hold`);
    expect(prefixed.status).toBe(404);
    const other = await openService({ serveJobs: false });
    expect((await other.ask('GET', `/jobs/${jobId}/phases/held/hold`)).status).toBe(404);
    await other.close();
  });

  test('serves nothing else at its own address', async () => {
    const app = createJobApp(service.deps);
    expect((await app.request('/v3/sessions')).status).toBe(404);
    expect((await app.request(`/jobs/${jobId}/phases/held/hold`)).status).toBe(401);
    const headers = { authorization: `Bearer ${toJobToken(MASTER_KEY, jobId)}` };
    const refused = await app.request(`/jobs/${jobId}/phases/held`, { method: 'DELETE', headers });
    expect([refused.status, refused.headers.get('allow')]).toEqual([405, 'OPTIONS, PUT']);
  });

  test('is 503 until a worker has planned the phases of a record that was restored', async () => {
    await service.ask('POST', '/v3/sessions', { name: 'old', configuration_name: 'debug_noop' });
    const { jobId: job = '' } = (await service.store.sessions.find('old')) ?? {};
    const answer = await deliver('PUT', 'inventory', { job, body: started });
    expect(answer).toMatchObject({ status: 503, body: { detail: expect.stringContaining(job) } });
    await service.store.sessions.recordOutcome(job, { succeeded: 'unknown' }, started.started_at);
    expect((await deliver('PUT', 'inventory', { job, body: started })).status).toBe(404);
  });

  test('answers 405 for other methods', async () => {
    const answer = await deliver('DELETE', 'inventory/log');
    expect(answer.status).toBe(405);
  });
});
