import { describe, expect, it } from '@jest/globals';
import { execFileSync, type ChildProcess } from 'node:child_process';
import {
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { parseReportLine } from '../../src/activities/report-line.js';
import { waitFor } from '../support/wait.js';
import { createPlaybookJob } from './ansible-plan.js';
import { aCommand, createClock, createJob, exitOf, TOKEN, type TestJob } from './harness.js';
import { LONG, useHeldJobs } from './held-jobs.js';
import type { PhaseApi } from './phase-api.js';

const BEGINS = 'only begins again, with unchanged files.\n';
const { jobs, running, anApi } = useHeldJobs();

function aJob(
  script: string,
  { apiUrl = '', ...more }: Record<string, unknown> = {},
  environment: Record<string, string> = {},
): TestJob {
  const phase = { debug_wait_seconds: LONG, ...more };
  const job = createJob({
    phases: [aCommand('only', script, phase), aCommand('next', 'echo later')],
    plan: { api_url: apiUrl === '' ? null : apiUrl },
    environment,
  });
  jobs.push(job);
  return job;
}

const counts = { ok: 1, changed: 0, failed: 0, skipped: 0, unreachable: 0, incomplete: false };
const aHost = (host: string, failed: number) => ({ host, ...counts, failed });

/** A job with results of two hosts, of which one fails, and when it is run again of one host. */
function aReportingJob(apiUrl: string): TestJob {
  const job = aJob(
    'if [ ! -e corrected ]; then cp broken $KEELSON_RESULTS; exit 2; fi; while [ ! -e go-on ]; do sleep 0.1; done; cp mended $KEELSON_RESULTS',
    { apiUrl },
  );
  const write = (name: string, hosts: readonly object[]) => {
    writeFileSync(job.path('workspace', name), JSON.stringify({ is_over: true, hosts }));
  };
  write('broken', [aHost('x1', 0), aHost('x2', 1)]);
  write('mended', [aHost('x1', 0)]);
  return job;
}

function start(job: TestJob): ChildProcess {
  const child = job.start();
  running.push(child);
  return child;
}

async function whenHeld(job: TestJob, times: number): Promise<void> {
  await waitFor(() => job.log('only').split('Held for debugging').length === times + 1, {
    what: `hold ${times}`,
  });
}

/** Touches a file in a way that no other touch equals. */
function touch(path: string, secondsAhead: number): void {
  writeFileSync(path, '');
  const at = new Date(Date.now() + secondsAhead * 1000);
  utimesSync(path, at, at);
}

/** How many ends of pipes the wrapper has open: the supervisor's only child. */
function countPipes({ pid }: ChildProcess): number {
  const wrapper = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim();
  const directory = `/proc/${wrapper}/fd`;
  const isPipe = (fd: string) => readlinkSync(join(directory, fd)).startsWith('pipe:');
  return readdirSync(directory).filter(isPipe).length;
}

describe('a held phase that is run again', () => {
  it('goes on with the later phases if it succeeds, as asked through the API', async () => {
    const api = await anApi();
    const job = aJob('echo run; test -e corrected', { apiUrl: api.url });
    const child = start(job);
    await waitFor(() => api.holds.length === 1);
    writeFileSync(job.path('workspace/corrected'), '');
    api.rerun('ops');
    await exitOf(child);
    expect(job.phase('only')).toMatchObject({ state: 'ended', exit_code: 0, killed: null });
    expect(job.log('next')).toBe('later\n');
    expect(job.log('only')).toMatch(
      /^run\nHeld for debugging .*\nThe hold has ended: a rerun was asked for by ops\.\nonly begins again, with unchanged files\.\nrun\n$/,
    );
    expect(api.states[0]).toMatchObject({ state: 'running' });
    const { started_at: startedAt } = api.states[0] ?? {};
    expect(api.states[1]).toMatchObject({ state: 'ended', exit_code: 0, started_at: startedAt });
  });

  it('is held again if it fails again; only its last run decides', async () => {
    const api = await anApi();
    const job = aJob('echo $(( $(cat n) + 1 )) > n; exit $(cat n)', { apiUrl: api.url });
    writeFileSync(job.path('workspace/n'), '3');
    const child = start(job);
    for (const times of [1, 2, 3]) {
      await whenHeld(job, times);
      await waitFor(() => new Set(api.holds.map(({ since }) => since)).size === times);
      if (times < 3) api.rerun('ops');
    }
    api.release();
    await exitOf(child);
    expect(job.phase('only')).toMatchObject({ exit_code: 6 });
    expect(job.phase('next')).toMatchObject({ unstarted: 'skipped' });
    expect(job.log('only').split(BEGINS)).toHaveLength(3);
    expect(job.log('only')).toMatch(/The hold has ended: it was released\.\n$/);
  });

  it('takes no answer about an earlier hold for one about the present', async () => {
    const api = await anApi();
    const job = aJob('exit 3', { apiUrl: api.url });
    const child = start(job);
    await waitFor(() => api.holds.length === 1);
    const since = String(api.holds[0]?.['since']);
    const first = encodeURIComponent(since);
    // The report of the second hold does not arrive for now, so the API still answers about the first.
    api.interrupt = (method, url) =>
      method === 'PUT' && url.endsWith('/hold') ? { status: 503 } : undefined;
    api.rerun('ops');
    await whenHeld(job, 2);
    await waitFor(
      () => api.requests.some((each) => each.includes('wait=25') && !each.includes(first)),
      { what: 'the question about the second hold' },
    );
    api.interrupt = () => undefined;
    await waitFor(() => api.holds.at(-1)?.['since'] !== since);
    expect(job.log('only').split(BEGINS)).toHaveLength(2);
    api.release();
    await exitOf(child);
  });

  it('is run again by the file rerun, each time that it is touched, without an API', async () => {
    const job = aJob('echo run; exit 4');
    const child = start(job);
    await whenHeld(job, 1);
    const pipes = countPipes(child);
    touch(job.path('workspace/rerun'), 60);
    await whenHeld(job, 2);
    touch(job.path('workspace/rerun'), 120);
    await whenHeld(job, 3);
    expect(countPipes(child)).toBe(pipes);
    touch(job.path('workspace/complete'), 60);
    await exitOf(child);
    expect(job.log('only')).toContain('The hold has ended: the file rerun was created.\n');
    expect(job.log('only').split('run\n')).toHaveLength(4);
    expect(job.phase('only')).toMatchObject({ exit_code: 4 });
  });

  it('hides a key that was renewed in the hold', async () => {
    const job = aJob('cat ../keys/id_ecdsa; test -e corrected');
    const [before, renewed] = ['b', 'r'].map((letter) => letter.repeat(64));
    mkdirSync(job.path('keys'));
    writeFileSync(job.path('keys/id_ecdsa'), `${before}\n`);
    const child = start(job);
    await whenHeld(job, 1);
    writeFileSync(job.path('keys/id_ecdsa'), `${renewed}\n`);
    writeFileSync(job.path('workspace/corrected'), '');
    touch(job.path('workspace/rerun'), 60);
    await exitOf(child);
    expect(job.log('only')).toMatch(/^\*\*\*\n(.*\n)+\*\*\*\n$/);
  });

  it('tells the API of a rerun that a file has caused', async () => {
    const api = await anApi();
    const job = aJob('echo run; test -e corrected || exit 4; sleep 600', { apiUrl: api.url });
    const child = start(job);
    await waitFor(() => api.holds.length === 1);
    writeFileSync(job.path('workspace/corrected'), '');
    touch(job.path('workspace/rerun'), 60);
    await waitFor(() => api.holds.at(-1)?.['seconds_left'] === 0, { what: 'the end of the hold' });
    await waitFor(() => job.log('only').split('run\n').length === 3, { what: 'the second run' });
    child.kill('SIGTERM');
    await exitOf(child);
    expect(job.phase('only')).toMatchObject({ exit_code: null, killed: 'stopped' });
    expect(job.log('only')).toMatch(/run\nThe phase was ended: stopped\.\n$/);
  });

  it('tells nothing again when the API says that the hold is over', async () => {
    const api = await anApi();
    const job = aJob('test -e corrected || exit 4; until [ -e go-on ]; do sleep 0.05; done', {
      apiUrl: api.url,
    });
    const child = start(job);
    const isQuestion = (request: string) => request.includes('wait=25');
    await waitFor(() => api.requests.some(isQuestion), { what: 'the question about the hold' });
    writeFileSync(job.path('workspace/corrected'), '');
    touch(job.path('workspace/rerun'), 60);
    await waitFor(() => api.holds.at(-1)?.['seconds_left'] === 0, { what: 'the end of the hold' });
    await waitFor(() => api.log.includes(BEGINS), { what: 'the second run' });
    // As an API answers at the end of the wait.
    api.forgetHold();
    writeFileSync(job.path('workspace/go-on'), '');
    await exitOf(child);
    expect(api.holds).toHaveLength(2);
    expect(api.requests.filter((request) => /^GET .*\/log$/.test(request))).toEqual([]);
  });

  it('tells it although the second run writes faster than its log can be delivered', async () => {
    const api = await anApi();
    const chatty = 'while :; do echo more; sleep 0.02; done';
    const job = aJob(`test -e corrected || exit 4; ${chatty}`, { apiUrl: api.url });
    const child = start(job);
    await waitFor(() => api.holds.length === 1);
    writeFileSync(job.path('workspace/corrected'), '');
    let refusals = 1;
    api.interrupt = (method, url) => {
      if (url.endsWith('/hold') && method === 'PUT' && refusals-- > 0) return { status: 503 };
      // Each part of the log takes until there is more.
      const before = job.log('only').length;
      while (method === 'PATCH' && job.log('only').length === before) continue;
      return undefined;
    };
    touch(job.path('workspace/rerun'), 60);
    await waitFor(() => api.holds.at(-1)?.['seconds_left'] === 0, { what: 'the end of the hold' });
    const isHold = (request: string) => request.startsWith('PUT') && request.endsWith('/hold');
    const [, refused, taken] = api.requests.flatMap((each, at) => (isHold(each) ? [at] : []));
    const between = api.requests.slice(refused, taken).filter((each) => each.startsWith('PATCH'));
    expect(between.length).toBeLessThanOrEqual(2);
    api.interrupt = () => undefined;
    const told = api.holds.length;
    // As after a restore of its database, which may also show the hold again.
    api.forget(3);
    await waitFor(() => api.holds.length > told, { what: 'the end of the hold once more' });
    expect(api.holds.at(-1)).toMatchObject({ seconds_left: 0 });
    child.kill('SIGTERM');
    await exitOf(child);
  });

  it('is held again later than before, although the clock was set back', async () => {
    const api = await anApi();
    const clock = createClock();
    const job = aJob('exit 4', { apiUrl: api.url }, clock.environment);
    const child = start(job);
    await waitFor(() => api.holds.length === 1);
    writeFileSync(clock.mark, '');
    api.rerun('ops');
    await whenHeld(job, 2);
    await waitFor(() => new Set(api.holds.map(({ since }) => since)).size === 2);
    const [first, second] = [api.holds[0], api.holds.at(-1)].map((hold) => String(hold?.['since']));
    expect(String(second) > String(first)).toBe(true);
    child.kill('SIGTERM');
    await exitOf(child);
    clock.remove();
  });

  it('has its time limit anew', async () => {
    const script = 'if [ -e corrected ]; then sleep 0.5; else sleep 600; fi';
    const job = aJob(script, { timeout_seconds: 3 });
    const child = start(job);
    await whenHeld(job, 1);
    writeFileSync(job.path('workspace/corrected'), '');
    touch(job.path('workspace/rerun'), 60);
    await exitOf(child);
    expect(job.phase('only')).toMatchObject({ exit_code: 0, killed: null });
  });

  it('is run again if that was asked for just before the time of its hold was over', async () => {
    const api = await anApi();
    const job = aJob('test -e corrected', { apiUrl: api.url, debug_wait_seconds: 0.3 });
    api.interrupt = (method, url) => {
      if (method !== 'GET') return undefined;
      // The answer to the question in the background is lost.
      if (url.includes('wait=25')) return { status: 503 };
      writeFileSync(job.path('workspace/corrected'), '');
      api.rerun('ops');
      return undefined;
    };
    await exitOf(start(job));
    expect(job.phase('only')).toMatchObject({ exit_code: 0 });
    expect(job.log('only')).toContain('a rerun was asked for by ops');
  });

  it('delivers the hosts of its last run in place of the earlier ones', async () => {
    const api = await anApi();
    const job = aReportingJob(api.url);
    const child = start(job);
    await waitFor(() => api.holds.length === 1);
    expect(api.hosts.at(-1)).toMatchObject({ hosts: [{ host: 'x1' }, { host: 'x2', failed: 1 }] });
    const before = api.hosts.at(-1)?.sequence ?? 0;
    writeFileSync(job.path('workspace/corrected'), '');
    api.rerun('ops');
    const listAgain = () => api.hosts.filter(({ rerun }) => rerun !== undefined);
    await waitFor(() => listAgain().length === 1, { what: 'the news that it runs again' });
    writeFileSync(job.path('workspace/go-on'), '');
    await exitOf(child);
    const again = listAgain();
    const first = again[0]?.sequence ?? 0;
    expect(first).toBeGreaterThan(before);
    expect(again[0]).toMatchObject({ final: false, hosts: [] });
    expect(api.hosts.at(-1)).toMatchObject({ final: true, hosts: [{ host: 'x1', failed: 0 }] });
    const rerun = { count: 1, files_changed: false, first_sequence: first };
    expect(again.map((each) => each.rerun)).toEqual(again.map(() => rerun));
  });

  it('signs the hosts of its last run if the API goes away', async () => {
    const api = await anApi();
    const job = aReportingJob(api.url);
    const child = start(job);
    await waitFor(() => api.holds.length === 1);
    await api.pause();
    for (const name of ['corrected', 'go-on']) writeFileSync(job.path('workspace', name), '');
    touch(job.path('workspace/rerun'), 60);
    await exitOf(child);
    const report = parseReportLine(readFileSync(job.path('logs/only.log')), TOKEN, 'only');
    expect(report).toMatchObject({
      hosts: [{ host: 'x1' }],
      rerun: { count: 1, filesChanged: false, firstSequence: expect.any(Number) },
    });
  });

  it('signs them without an API too', async () => {
    const job = aReportingJob('');
    const child = start(job);
    await whenHeld(job, 1);
    for (const name of ['corrected', 'go-on']) writeFileSync(job.path('workspace', name), '');
    touch(job.path('workspace/rerun'), 60);
    await exitOf(child);
    const report = parseReportLine(readFileSync(job.path('logs/only.log')), TOKEN, 'only');
    const rerun = { count: 1, filesChanged: false, firstSequence: 0 };
    expect(report).toMatchObject({ hosts: [{ host: 'x1' }], rerun });
  });
});

describe('the files of a layer', () => {
  const broken = '- hosts: all\n  gather_facts: false\n  tasks: [{ fail: { msg: broken } }]\n';
  const fine = broken.replace('fail: { msg: broken }', 'debug: { msg: mended }');

  function aLayer(api: PhaseApi) {
    const job = createPlaybookJob({
      files: { 'workspace/layer0/site.yml': broken },
      phase: { debug_wait_seconds: LONG },
      plan: { api_url: api.url },
    });
    jobs.push(job);
    const layer = job.path('workspace/layer0');
    const git = (...argv: string[]) =>
      execFileSync('git', ['-c', 'user.name=a', '-c', 'user.email=a@b', ...argv], {
        cwd: layer,
        encoding: 'utf8',
      }).trim();
    git('init', '--quiet');
    git('add', '.');
    git('commit', '--quiet', '-m', 'first');
    return { job, layer, git };
  }

  const lastOf = (api: PhaseApi) => api.hosts.at(-1);

  it('are not changed by a run, nor by changes that are taken back', async () => {
    const api = await anApi();
    const { job, layer } = aLayer(api);
    const child = start(job);
    await waitFor(() => api.holds.length === 1);
    writeFileSync(`${layer}/site.yml`, fine);
    mkdirSync(`${layer}/__pycache__`);
    writeFileSync(`${layer}/__pycache__/a.pyc`, 'x');
    writeFileSync(`${layer}/site.yml`, broken);
    api.rerun('ops');
    await waitFor(() => api.holds.at(-1)?.['since'] !== api.holds[0]?.['since']);
    expect(job.log('ansible-0')).toContain('ansible-0 begins again, with unchanged files.\n');
    api.release();
    await exitOf(child);
    expect(lastOf(api)).toMatchObject({ records_state: true, rerun: { files_changed: false } });
    expect(lastOf(api)).not.toHaveProperty('records_incomplete');
  });

  it('are named with their commit if they have changed, and then no host has the layer', async () => {
    const api = await anApi();
    const { job, layer, git } = aLayer(api);
    const child = start(job);
    await waitFor(() => api.holds.length === 1);
    writeFileSync(`${layer}/site.yml`, fine);
    api.rerun('ops');
    await exitOf(child);
    const head = git('rev-parse', 'HEAD');
    expect(job.phase('ansible-0')).toMatchObject({ exit_code: 0 });
    expect(job.log('ansible-0')).toContain(
      `not those of the recorded commit: layer0, at commit ${head} with changes in site.yml. No component`,
    );
    expect(lastOf(api)).toMatchObject({
      final: true,
      records_state: false,
      records_incomplete: true,
      whole: false,
      rerun: { files_changed: true },
    });
  });

  it('have changed if a commit was pulled, or a file was added that git ignores', async () => {
    const api = await anApi();
    const { job, layer, git } = aLayer(api);
    const child = start(job);
    await waitFor(() => api.holds.length === 1);
    writeFileSync(`${layer}/.git/info/exclude`, 'group_vars\n');
    mkdirSync(`${layer}/group_vars`);
    writeFileSync(`${layer}/group_vars/all`, 'a: 1\n');
    api.rerun('ops');
    await waitFor(() => api.holds.at(-1)?.['since'] !== api.holds[0]?.['since']);
    expect(job.log('ansible-0')).toContain(`layer0, at commit ${git('rev-parse', 'HEAD')}. No`);

    rmSync(`${layer}/group_vars`, { recursive: true });
    writeFileSync(`${layer}/site.yml`, fine);
    git('commit', '--quiet', '-am', 'mended');
    api.rerun('ops');
    await exitOf(child);
    expect(job.log('ansible-0')).toContain(`layer0, at commit ${git('rev-parse', 'HEAD')}. No`);
    expect(lastOf(api)).toMatchObject({ records_incomplete: true, rerun: { count: 2 } });
  });
});
