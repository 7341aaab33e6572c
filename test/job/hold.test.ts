import { describe, expect, it } from '@jest/globals';
import { execFileSync } from 'node:child_process';
import { utimesSync, writeFileSync } from 'node:fs';
import { waitFor } from '../support/wait.js';
import { aCommand, createJob, exitOf, TOKEN, type TestJob } from './harness.js';
import { LONG, useHeldJobs } from './held-jobs.js';

const { jobs, running, anApi } = useHeldJobs();

interface Held {
  readonly script?: string;
  readonly seconds?: number;
  readonly ifWanted?: number;
  readonly timeout?: number;
  readonly apiUrl?: string;
}

function aJob({
  script = 'echo broken; exit 7',
  seconds = LONG,
  ifWanted = 0,
  timeout = 0,
  apiUrl,
}: Held) {
  const more = {
    debug_wait_seconds: seconds,
    hold_wait_seconds: ifWanted,
    timeout_seconds: timeout,
  };
  const job = createJob({
    phases: [aCommand('only', script, more), aCommand('next', 'echo never')],
    plan: { api_url: apiUrl ?? null },
  });
  jobs.push(job);
  return job;
}

/** Starts the job and waits until its first phase is held. */
async function hold(job: TestJob) {
  const child = job.start();
  running.push(child);
  await job.waitForLog('only', 'Held for debugging');
  return child;
}

describe('hold', () => {
  it('ends when it is released, without changing how the phase ended', async () => {
    const api = await anApi();
    const job = aJob({ apiUrl: api.url });
    const child = await hold(job);
    await waitFor(() => api.holds.length === 1);
    expect(api.log.toString()).toMatch(
      /^broken\nHeld for debugging on .* Open a shell with: sh .*\n$/,
    );
    expect(api.holds[0]).toEqual({
      since: expect.any(String),
      until: expect.any(String),
      seconds_left: expect.any(Number),
      command: `sh ${job.path('workspace/shell-only')}`,
      can_rerun: true,
    });
    const { since, until } = api.holds[0] as { since: string; until: string };
    expect(Date.parse(until) - Date.parse(since)).toBe(LONG * 1000);
    const { seconds_left: left } = api.holds[0] as { seconds_left: number };
    expect(left > 0 && left <= LONG).toBe(true);
    expect(job.phase('only')).toMatchObject({ state: 'running' });
    await waitFor(() =>
      api.requests.some((request) => /GET .*\/hold\?wait=25&since=/.test(request)),
    );
    api.release();
    await exitOf(child);
    expect(job.phase('only')).toMatchObject({ state: 'ended', exit_code: 7, killed: null });
    expect(job.phase('next')).toMatchObject({ unstarted: 'skipped' });
    expect(job.log('only')).toContain('The hold has ended: it was released.\n');
    expect(api.log.toString()).toBe(job.log('only'));
    expect(api.holds).toHaveLength(1);
    expect(api.states.at(-1)).toMatchObject({ state: 'ended', exit_code: 7 });
    const endedAt = Date.parse(job.phase('only')?.ended_at ?? '');
    expect(endedAt).toBeLessThanOrEqual(Date.parse(since));
  });

  it('ends when the file is created, not by one that existed before', async () => {
    const job = aJob({ script: 'touch complete; exit 2' });
    const child = await hold(job);
    expect(job.phase('only')).toMatchObject({ state: 'running' });
    utimesSync(job.path('workspace/complete'), new Date(), new Date(Date.now() + 60_000));
    await exitOf(child);
    expect(job.log('only')).toContain('The hold has ended: the file was created.\n');
    expect(job.phase('only')).toMatchObject({ exit_code: 2 });
  });

  it('ends when its time is over, and tells the API', async () => {
    const api = await anApi();
    const job = aJob({ apiUrl: api.url, seconds: 0.3 });
    await job.run();
    expect(job.log('only')).toContain('The hold has ended: its time is over.\n');
    const { until, seconds_left: left } = api.holds.at(-1) as {
      until: string;
      seconds_left: number;
    };
    expect(Date.parse(until)).toBeLessThanOrEqual(Date.now());
    expect(left).toBe(0);
    expect(api.states.at(-1)).toMatchObject({ state: 'ended', exit_code: 7 });
  });

  it('ends at once when the job is stopped; the phase had failed by itself', async () => {
    const job = aJob({});
    const child = await hold(job);
    child.kill('SIGTERM');
    await exitOf(child);
    expect(job.log('only')).toContain('The hold has ended: the job was told to stop.\n');
    expect(job.phase('only')).toMatchObject({ exit_code: 7, killed: null });
    expect(job.phase('next')).toMatchObject({ unstarted: 'skipped' });
  });

  it('ends with the supervisor; the phase had failed by itself', async () => {
    const job = aJob({});
    const child = await hold(job);
    child.kill('SIGKILL');
    await waitFor(() => job.phase('only')?.state === 'ended', { what: 'the phase to end' });
    expect(job.log('only')).toContain('The hold has ended: the supervisor of the job is gone.\n');
    expect(job.phase('only')).toMatchObject({ exit_code: 7, killed: null });
  });

  it('continues while the API is away, refuses or answers nonsense, and is reported later', async () => {
    const api = await anApi();
    const job = aJob({ apiUrl: api.url });
    await api.pause();
    const child = await hold(job);
    api.interrupt = (method) => (method === 'GET' ? undefined : { status: 503 });
    await api.resume();
    await waitFor(() => api.requests.some((request) => request.startsWith('PUT')));
    api.interrupt = () => undefined;
    await waitFor(() => api.holds.length === 1);
    await api.pause();
    await api.resume();
    expect(job.phase('only')).toMatchObject({ state: 'running' });
    api.release();
    await exitOf(child);
    expect(job.log('only')).toContain('it was released');
  });

  it('is reported again, with log and hosts, to an API that has lost it', async () => {
    const api = await anApi();
    const script = `echo '{"hosts": [{"host": "x1"}]}' > $KEELSON_RESULTS; echo broken; exit 7`;
    const job = aJob({ script, apiUrl: api.url });
    const child = await hold(job);
    await waitFor(() => api.holds.length === 1);
    const told = api.hosts.length;
    api.forget(3);
    api.forgetHold();
    await waitFor(() => api.holds.length === 2, { what: 'the hold once more' });
    expect(api.holds[1]).toMatchObject({ since: api.holds[0]?.['since'] });
    expect(api.log.toString()).toBe(job.log('only'));
    expect(api.hosts.slice(told)).toMatchObject([{ final: false, hosts: [{ host: 'x1' }] }]);
    api.release();
    await exitOf(child);
    expect(job.log('only')).toContain('it was released');
  });

  it('holds a phase whose time limit has passed, and is not limited by that', async () => {
    const job = aJob({ script: 'sleep 600', timeout: 0.2 });
    const child = await hold(job);
    // More than the phase's limit once more. A slow machine only makes it longer.
    await new Promise((resolve) => setTimeout(resolve, 500));
    expect(job.phase('only')).toMatchObject({ state: 'running' });
    writeFileSync(job.path('workspace/complete'), '');
    await exitOf(child);
    expect(job.phase('only')).toMatchObject({ killed: 'timeout' });
  });

  it('is not for a phase that succeeds, nor for one that is stopped', async () => {
    const fine = aJob({ script: 'exit 0' });
    await fine.run();
    expect(fine.log('only')).toBe('');
    expect(fine.log('next')).toBe('never\n');
    const stopped = aJob({ script: 'echo begun; sleep 600' });
    const child = stopped.start();
    await stopped.waitForLog('only', 'begun');
    child.kill('SIGTERM');
    await exitOf(child);
    expect(stopped.log('only')).toBe('begun\nThe phase was ended: stopped.\n');
  });

  it('gives a shell what the phase saw, but not the mark by which its processes are found', async () => {
    const job = aJob({});
    const child = await hold(job);
    const [, command = ''] = /Open a shell with: (.*)/.exec(job.log('only')) ?? [];
    const output = execFileSync('sh', ['-c', `${command} -c 'pwd; echo $HOME; env'`], {
      env: { PATH: process.env['PATH'], SHELL: '/bin/sh' },
      encoding: 'utf8',
    });
    expect(output).toContain(`${job.path('workspace')}\n${job.path('workspace/home')}\n`);
    expect(output).not.toContain('KEELSON_JOB');
    expect(output).not.toContain(TOKEN);
    writeFileSync(job.path('workspace/complete'), '');
    await exitOf(child);
  });
});

describe('a hold that was asked for while the job ran', () => {
  const aJobThatAsks = (apiUrl?: string) =>
    aJob({ seconds: 0, ifWanted: LONG, ...(apiUrl === undefined ? {} : { apiUrl }) });
  const isQuestion = (request: string) => /GET .*\/hold\?wait=0$/.test(request);

  it('holds what fails', async () => {
    const api = await anApi();
    api.wanted = true;
    const job = aJobThatAsks(api.url);
    const child = await hold(job);
    await waitFor(() => api.holds.length === 1);
    expect(api.requests.filter(isQuestion)).toHaveLength(1);
    api.release();
    await exitOf(child);
    expect(job.phase('only')).toMatchObject({ exit_code: 7 });
    expect(job.log('only')).toContain('it was released');
  });

  it.each([
    ['nobody has asked for it', false],
    ['the API does not know of it', undefined],
  ])('holds nothing if %s', async (_, wanted) => {
    const api = await anApi();
    api.wanted = wanted;
    const job = aJobThatAsks(api.url);
    await job.run();
    expect(job.log('only')).toBe('broken\n');
    expect(api.requests.filter(isQuestion)).toHaveLength(1);
    expect(api.holds).toEqual([]);
  });

  it('does not ask without an API, or for a phase that succeeds', async () => {
    const alone = aJobThatAsks();
    await alone.run();
    expect(alone.log('only')).toBe('broken\n');
    const api = await anApi();
    api.wanted = true;
    const fine = aJob({ script: 'exit 0', seconds: 0, ifWanted: LONG, apiUrl: api.url });
    await fine.run();
    expect(api.requests.filter(isQuestion)).toEqual([]);
  });

  it('asks again while the API is away, but not if it refuses', async () => {
    const api = await anApi();
    api.wanted = true;
    let refusals = 2;
    api.interrupt = (method) => {
      if (method !== 'GET' || refusals === 0) return undefined;
      refusals -= 1;
      return { status: 503 };
    };
    const child = await hold(aJobThatAsks(api.url));
    child.kill('SIGTERM');
    await exitOf(child);
    api.interrupt = (method) => (method === 'GET' ? { status: 410 } : undefined);
    const over = aJobThatAsks(api.url);
    await over.run();
    expect(over.log('only')).toBe('broken\n');
  });
});
