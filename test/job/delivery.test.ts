import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { createHmac } from 'node:crypto';
import { existsSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { gunzipSync } from 'node:zlib';
import { waitFor } from '../support/wait.js';
import { aCommand, createJob, exitOf, TOKEN, type TestJob } from './harness.js';
import { startPhaseApi, type PhaseApi } from './phase-api.js';

const jobs: TestJob[] = [];
let api: PhaseApi;
beforeEach(async () => {
  api = await startPhaseApi(TOKEN);
});
afterEach(async () => {
  await api.close();
  jobs.splice(0).forEach((job) => job.remove());
});

/** A command that prints `here` and continues when it is told to. */
const WAIT = 'echo here; while [ ! -e go ]; do sleep 0.02; done;';

function aJob(script: string, plan: Record<string, unknown> = {}): TestJob {
  const job = createJob({
    phases: [aCommand('only', script)],
    plan: { api_url: api.url, report_wait_seconds: 20, ...plan },
  });
  jobs.push(job);
  return job;
}

function goOn(job: TestJob): void {
  writeFileSync(job.path('workspace/go'), '');
}

function writeHosts(count: number, more: Record<string, unknown> = {}): string {
  const host = {
    ok: 1,
    changed: 0,
    failed: 0,
    skipped: 0,
    unreachable: 0,
    incomplete: false,
    ...more,
  };
  return `python3 -c '
import json, os
hosts = [json.loads(${JSON.stringify(JSON.stringify(host))}) | {"host": "x%d" % i} for i in range(${count})]
json.dump({"hosts": hosts}, open(os.environ["KEELSON_RESULTS"], "w"))';`;
}

/** Reads the report as a worker does: the last line, if its signature is right. */
function readReport(log: string): { phase: string; hosts: { host: string }[] } | undefined {
  const [prefix, packed = '', signature] = (log.split('\n').at(-2) ?? '').split(':');
  if (prefix !== 'keelson-report') return undefined;
  if (createHmac('sha256', TOKEN).update(packed).digest('hex') !== signature) return undefined;
  const text = gunzipSync(Buffer.from(packed, 'base64')).toString();
  return JSON.parse(text) as { phase: string; hosts: { host: string }[] };
}

describe('delivery', () => {
  it('is not waited for after it has failed by a defect', async () => {
    const job = aJob('echo nonsense > "$KEELSON_RESULTS"', { report_wait_seconds: 3600 });
    const child = job.startPhase('only');
    expect(await exitOf(child)).toBe(79);
    expect(job.phase('only')).toMatchObject({ state: 'ended', exit_code: 79 });
    expect(existsSync(job.path('results/only.json'))).toBe(false);
  });

  it('reports start, log and end while and after the phase runs', async () => {
    const job = aJob(`${WAIT} echo there; exit 4`);
    const child = job.startPhase('only');
    await waitFor(() => api.log.toString() === 'here\n');
    expect(api.states).toEqual([{ state: 'running', started_at: job.phase('only')?.started_at }]);
    goOn(job);
    expect(await exitOf(child)).toBe(4);
    expect(api.log.toString()).toBe('here\nthere\n');
    const { started_at, ended_at } = job.phase('only') ?? {};
    expect(api.states[1]).toEqual({
      state: 'ended',
      started_at,
      ended_at,
      exit_code: 4,
      log_bytes: 11,
    });
    expect(new Set(api.requests.map((request) => request.split(' ')[1]))).toEqual(
      new Set(['', '/log'].map((end) => `/base/jobs/${job.id}/phases/only${end}`)),
    );
  });

  it('reports what ended the phase', async () => {
    const job = aJob('sleep 60', {
      phases: [aCommand('only', 'sleep 60', { timeout_seconds: 0.3 })],
    });
    await exitOf(job.startPhase('only'));
    expect(api.states.at(-1)).toMatchObject({ state: 'ended', killed: 'timeout' });
    expect(api.states.at(-1)).not.toHaveProperty('exit_code');
  });

  it('does not slow a phase whose API is away, and delivers all of it later', async () => {
    await api.pause();
    const job = aJob('head -c 5000000 /dev/urandom; touch written');
    const child = job.startPhase('only');
    await waitFor(() => existsSync(job.path('workspace/written')));
    await api.resume();
    expect(await exitOf(child)).toBe(0);
    expect(api.log.equals(readFileSync(job.path('logs/only.log')))).toBe(true);
    expect(api.states.at(-1)).toMatchObject({ state: 'ended', log_bytes: 5_000_000 });
  });

  it('continues at the offset that the API has reached', async () => {
    const job = aJob(`${WAIT} echo there`);
    const child = job.startPhase('only');
    await waitFor(() => api.log.toString() === 'here\n');
    api.forget(2);
    goOn(job);
    await exitOf(child);
    expect(api.log.toString()).toBe('here\nthere\n');
  });

  it('keeps its place in a long log if pieces are refused or the API has lost some', async () => {
    let pieces = 0;
    api.interrupt = (method) => {
      if (method !== 'PATCH') return undefined;
      pieces += 1;
      if (pieces % 5 === 3) api.forget(api.log.length - 1000);
      return pieces % 5 === 0 ? { status: 503 } : undefined;
    };
    const job = aJob('head -c 12000000 /dev/urandom');
    await exitOf(job.startPhase('only'));
    expect(api.log.equals(readFileSync(job.path('logs/only.log')))).toBe(true);
    expect(pieces).toBeGreaterThan(12);
  });

  it('repeats a request that was answered with 503, after the requested wait', async () => {
    const tries: number[] = [];
    api.interrupt = (method) =>
      method === 'PATCH' && tries.push(performance.now()) <= 2
        ? { status: 503, headers: { 'Retry-After': '1' } }
        : undefined;
    const job = aJob('echo here');
    await exitOf(job.startPhase('only'));
    expect(api.log.toString()).toBe('here\n');
    const [first = NaN, , third = NaN] = tries;
    expect(third - first).toBeGreaterThan(1900);
  });

  it('continues when a log or results that could not be read can be read again', async () => {
    const job = aJob(`mkdir "$KEELSON_RESULTS"; ${WAIT} rmdir "$KEELSON_RESULTS"; echo there`);
    const child = job.startPhase('only');
    await waitFor(() => api.states.length === 1);
    renameSync(job.path('logs/only.log'), job.path('logs/away'));
    goOn(job);
    await waitFor(() => readFileSync(job.path('logs/away'), 'utf8') === 'here\nthere\n');
    renameSync(job.path('logs/away'), job.path('logs/only.log'));
    await exitOf(child);
    expect(api.log.toString()).toBe('here\nthere\n');
    expect(api.states.at(-1)).toMatchObject({ state: 'ended', exit_code: 0 });
  });

  it('waits for no longer than a minute, whatever an answer asks for', async () => {
    let isAway = true;
    api.interrupt = (method) =>
      method === 'PATCH' && isAway
        ? { status: 503, headers: { 'Retry-After': '9'.repeat(12) } }
        : undefined;
    const job = aJob(`${WAIT} echo there`);
    const child = job.startPhase('only');
    await waitFor(() => api.requests.some((request) => request.startsWith('PATCH')));
    isAway = false;
    goOn(job);
    await exitOf(child);
    expect(api.log.toString()).toBe('here\nthere\n');
  });

  it.each([401, 404, 410])('stops for good at %d, and says so', async (status) => {
    api.interrupt = (method) => (method === 'PATCH' ? { status } : undefined);
    const job = aJob('echo here');
    expect(await exitOf(job.startPhase('only'))).toBe(0);
    expect(job.log('only')).toBe(
      `here\nThe API answered ${status}: the rest of this phase is not delivered.\n`,
    );
    expect(job.phase('only')?.log_bytes).toBe(job.log('only').length);
    expect(api.requests.filter((request) => request.startsWith('PATCH'))).toHaveLength(1);
  });

  it('waits for an API that is away only for its limit', async () => {
    await api.close();
    const job = aJob('echo here', { report_wait_seconds: 0.5 });
    await exitOf(job.startPhase('only'));
    const waited = Date.now() - Date.parse(job.phase('only')?.ended_at ?? '');
    expect(waited).toBeGreaterThan(450);
    expect(waited).toBeLessThan(60_000);
    expect(job.log('only')).toBe('here\n');
  });

  it('waits for five seconds at most after it was told to stop', async () => {
    await api.close();
    const job = aJob('echo here', { report_wait_seconds: 600 });
    const child = job.startPhase('only');
    await job.waitForLog('only', 'here');
    child.kill('SIGTERM');
    await exitOf(child);
    expect(job.phase('only')).toMatchObject({ state: 'ended' });
  });
});

describe('host results', () => {
  it('arrive in batches of 1,000 with a rising sequence, the last one final', async () => {
    const job = aJob(writeHosts(2500));
    await exitOf(job.startPhase('only'));
    const final = api.hosts.slice(-3);
    expect(final.map(({ hosts }) => hosts.length)).toEqual([1000, 1000, 500]);
    expect(final.map(({ final: isFinal }) => isFinal)).toEqual([false, false, true]);
    const sequences = api.hosts.map(({ sequence }) => sequence);
    expect(sequences).toEqual([...sequences].sort((a, b) => a - b));
    expect(new Set(sequences).size).toBe(sequences.length);
    expect(job.log('only')).toBe('');
  });

  it('arrive while the phase runs', async () => {
    const job = aJob(`${writeHosts(1)} ${WAIT}`);
    const child = job.startPhase('only');
    await waitFor(() => api.hosts.length === 1);
    expect(api.hosts[0]).toMatchObject({ final: false, hosts: [{ host: 'x0', ok: 1 }] });
    goOn(job);
    await exitOf(child);
    expect(api.hosts.at(-1)).toMatchObject({ final: true });
  });

  it('are told again only where they have changed, and all at the end', async () => {
    const job = aJob(
      `${writeHosts(1)} ${WAIT} ${writeHosts(2)} until [ -e enough ]; do sleep 0.05; done`,
    );
    const child = job.startPhase('only');
    await waitFor(() => api.hosts.length === 1);
    goOn(job);
    await waitFor(() => api.hosts.length === 2);
    writeFileSync(job.path('workspace/enough'), '');
    await exitOf(child);
    expect(api.hosts.map(({ hosts }) => hosts.map(({ host }) => host))).toEqual([
      ['x0'],
      ['x1'],
      ['x0', 'x1'],
    ]);
  });

  it('may be half-written when they are read', async () => {
    const job = aJob(`printf '{"hosts": [' > "$KEELSON_RESULTS"; ${WAIT} ${writeHosts(1)}`);
    const child = job.startPhase('only');
    await waitFor(() => api.log.toString() === 'here\n');
    goOn(job);
    expect(await exitOf(child)).toBe(0);
    expect(api.hosts.at(-1)).toMatchObject({ final: true, hosts: [{ host: 'x0' }] });
  });

  it('may be half-written when all of them are told again', async () => {
    const half = `printf '{"hosts": [' > "$KEELSON_RESULTS";`;
    const job = aJob(
      `${half} ${WAIT} echo there; until [ -e enough ]; do sleep 0.05; done; ${writeHosts(1)}`,
    );
    const child = job.startPhase('only');
    await waitFor(() => api.log.toString() === 'here\n');
    api.forget(2);
    goOn(job);
    await waitFor(() => api.log.toString() === 'here\nthere\n');
    writeFileSync(job.path('workspace/enough'), '');
    expect(await exitOf(child)).toBe(0);
    expect(api.hosts.at(-1)).toMatchObject({ final: true, hosts: [{ host: 'x0' }] });
  });

  it('have their messages redacted and cut', async () => {
    const job = aJob(
      writeHosts(1, { task: `use ${TOKEN}`, message: `${TOKEN} ${'ä'.repeat(2000)}` }),
    );
    await exitOf(job.startPhase('only'));
    const [host] = api.hosts.at(-1)?.hosts ?? [];
    expect(host).toMatchObject({ task: 'use ***', message: `*** ${'ä'.repeat(510)}` });
  });

  it('are the signed last line of a log whose API was away', async () => {
    await api.close();
    const job = aJob(`${writeHosts(2)} printf 'no newline'`, { report_wait_seconds: 0.2 });
    await exitOf(job.startPhase('only'));
    const log = job.log('only');
    expect(log).toMatch(/^no newline\nkeelson-report:[^\n]+\n$/);
    expect(readReport(log)).toMatchObject({
      phase: 'only',
      hosts: [{ host: 'x0' }, { host: 'x1' }],
    });
    expect(job.phase('only')?.log_bytes).toBe(log.length);
  });

  it('are kept apart from the log, signed, although the API has taken them', async () => {
    const job = aJob(writeHosts(2));
    await exitOf(job.startPhase('only'));
    expect(api.hosts.at(-1)).toMatchObject({ final: true });
    expect(job.log('only')).toBe('');
    const signed = readFileSync(job.path('results/only.signed'), 'utf8');
    expect(readReport(`keelson-report:${signed}\n`)).toMatchObject({
      phase: 'only',
      hosts: [{ host: 'x0' }, { host: 'x1' }],
    });
  });

  it.each([400, 413])('that the API answers with %d keep nothing else back', async (status) => {
    api.interrupt = (_, path) => (path.endsWith('/hosts') ? { status } : undefined);
    const job = aJob(`${writeHosts(1500)} echo done`, { report_wait_seconds: 3600 });
    expect(await exitOf(job.startPhase('only'))).toBe(0);
    expect(api.log.toString()).toMatch(/^done\n/);
    expect(api.states.at(-1)).toMatchObject({ state: 'ended', exit_code: 0 });
    expect(readReport(job.log('only'))?.hosts).toHaveLength(1500);
  });

  it('are the signed last line also without an API', async () => {
    const job = aJob(writeHosts(1), { api_url: null });
    await exitOf(job.startPhase('only'));
    expect(readReport(job.log('only'))).toMatchObject({ hosts: [{ host: 'x0' }] });
  });

  it('fit into that line, however many hosts have failed, each with another message', async () => {
    const job = aJob(
      `python3 -c '
import json, os
counts = {"ok": 0, "changed": 0, "failed": 1, "skipped": 0, "unreachable": 0, "incomplete": False}
hosts = [{"host": "x%d" % i, **counts, "task": "Do", "message": os.urandom(512).hex()} for i in range(13000)]
json.dump({"hosts": hosts}, open(os.environ["KEELSON_RESULTS"], "w"))'`,
      { api_url: null },
    );
    await exitOf(job.startPhase('only'));
    // As in the worker.
    const report = readReport(job.log('only').slice(-8 * 1024 * 1024));
    expect(report?.hosts).toHaveLength(13_000);
    expect(report?.hosts[0]).toMatchObject({
      task: 'Do',
      message: expect.stringMatching(/^[0-9a-f]{100}$/) as unknown,
    });
  });

  it('do not come from a line that a task has forged', async () => {
    const packed = 'H4sIAAAAAAAAA6tWyi8uULKKjq0FAHyI5ygPAAAA';
    const job = aJob(`echo keelson-report:${packed}:${'0'.repeat(64)}`, { api_url: null });
    await exitOf(job.startPhase('only'));
    expect(job.log('only')).toContain(packed);
    expect(readReport(job.log('only'))).toBeUndefined();
  });
});
