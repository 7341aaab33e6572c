import { randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { toSnapshot } from '../../src/core/pin.js';
import { describeSilence } from '../../src/core/silence.js';
import { openHttpService, type HttpService } from '../api/http-service.js';
import { waitFor } from '../support/wait.js';
import { openCuttingProxy, type CuttingProxy } from './cutting-proxy.js';
import { startKeelson } from './keelson.js';

const AT = '2026-01-02T03:04:05.000Z';
const exited = { kind: 'exited', exitCode: 2, startedAt: AT, endedAt: AT } as const;
const layers = [
  { clone_url: 'https://git.example.org/base.git', commit: 'a'.repeat(40), playbook: 'site.yml' },
];
const counts = { ok: 1, changed: 0, skipped: 0, unreachable: 0, incomplete: false };
const lostHosts = [
  { host: 'x1', ...counts, failed: 1, task: 'Break', message: 'broken on purpose' },
  { host: 'x2', ...counts, failed: 0 },
];

let service: HttpService;
let proxy: CuttingProxy;
let directory: string;
beforeAll(async () => {
  directory = mkdtempSync(join(tmpdir(), 'keelson-cli-'));
  service = await openHttpService();
  proxy = await openCuttingProxy(service.url, { spared: /\/events$/ });
  await service.ask('PUT', '/v3/configurations/base', { layers });
});
afterAll(async () => {
  await proxy.close();
  await service.close();
  rmSync(directory, { recursive: true });
});

const keelson = (...words: readonly string[]) => startKeelson(proxy.url, words).ended;
const find = async (name: string) =>
  (await service.ask('GET', `/v3/sessions/${name}`)).body as Record<string, never>;

async function plan(name: string): Promise<string> {
  await service.ask('POST', '/v3/sessions', { name, configuration_name: 'base' });
  const { jobId } = (await service.store.sessions.find(name)) ?? { jobId: '' };
  await service.store.phases.savePlan(jobId, [
    { name: 'inventory', kind: 'inventory', title: 'inventory: dynamic' },
    { name: 'ansible-0', kind: 'ansible', title: 'ansible-0: site.yml' },
  ]);
  return jobId;
}

/** Adds a check that has succeeded and whose configuration has not changed since. */
async function check(name: string): Promise<void> {
  const { configurations, options, sessions } = service.store;
  const body = { name, configuration_name: 'base', check_mode: true };
  await service.ask('POST', '/v3/sessions', body);
  const there = await sessions.find(name);
  if (there === undefined) throw new Error(`There is no session ${name}.`);
  const { jobId, request } = there;
  const configuration = (await configurations.find('base'))?.configuration;
  const pinned = { layers: [{ url: layers[0]?.clone_url ?? '', commit: 'a'.repeat(40) }] };
  const basis = { request, configuration, options: await options.get() };
  await sessions.claim(jobId, { at: AT });
  await sessions.saveSnapshot(jobId, toSnapshot(basis, pinned));
  await sessions.recordOutcome(jobId, { succeeded: 'true' }, AT);
}

async function fail(jobId: string): Promise<void> {
  const { phases, hosts, sessions } = service.store;
  await hosts.save(jobId, 'ansible-0', { sequence: 1, final: true, hosts: lostHosts });
  await phases.seal(jobId, 'ansible-0', exited, AT);
  const facts = { phase: 'ansible-0', host: 'x1', task: 'Break' };
  const message = 'Task "Break" failed on x1.';
  await sessions.recordOutcome(
    jobId,
    { succeeded: 'false', reason: 'TASK_FAILED', message, ...facts },
    AT,
  );
}

const append = (jobId: string, phase: string, offset: number, bytes: Uint8Array) =>
  service.store.logs.append(jobId, phase, offset, bytes);

describe('keelson run', () => {
  test('starts a session as its options say, and prints how to continue', async () => {
    const file = join(directory, 'request.yaml');
    writeFileSync(file, 'ansible_config: site.cfg\ntags: { owner: bob }\nname: other\n');
    const words = [
      ...['run', 'base', '--name', 'first', '--limit', 'x1,x2', '--configuration-limit', '0'],
      ...['--passthrough=--tags ssh', '--verbosity', '2', '--tag', 'owner=ann', '--tag', 'a=b=c'],
      ...['--debug-on-failure', '--request', file],
    ];
    const { code, text, err } = await keelson(...words);
    expect([code, err]).toEqual([0, '']);
    expect(text).toMatch(/^Session first was started\.\n.*keelson logs -f first .*\n.*watch first/);
    expect(await find('first')).toMatchObject({
      configuration: { name: 'base', limit: '0' },
      ansible: { limit: 'x1,x2', passthrough: '--tags ssh', verbosity: 2, config: 'site.cfg' },
      tags: { owner: 'ann', a: 'b=c' },
      debug_on_failure: true,
    });
  });

  test('takes a request from its standard input', async () => {
    const words = ['run', 'base', '--name', 'piped', '--request', '-'];
    const input = '{"tags": {"owner": "bob"}}';
    expect(await startKeelson(proxy.url, words, { input }).ended).toMatchObject({ code: 0 });
    expect(await find('piped')).toMatchObject({ tags: { owner: 'bob' } });
  });

  test('with --check requests check mode, and show says so', async () => {
    expect(await keelson('run', 'base', '--name', 'look', '--check')).toMatchObject({ code: 0 });
    expect(await find('look')).toMatchObject({ status: { session: { check_mode: true } } });
    expect((await keelson('show', 'look')).text).toMatch(/check mode +nothing is changed/);
  });

  test('draws a valid session name', async () => {
    const name = `_Ab.${'x'.repeat(50)}.`;
    expect((await service.ask('PUT', `/v3/configurations/${name}`, { layers })).status).toBe(200);
    const { code, text } = await keelson('run', name, '--json');
    expect(code).toBe(0);
    expect(JSON.parse(text)).toMatchObject({
      name: expect.stringMatching(/^ab-x{34}-[0-9a-z]{6}$/),
      configuration: { name },
    });
  });

  test('makes exactly one session, although answers are lost and the service is away for a while', async () => {
    proxy.faults.push('refused', 'lost', 'lost');
    const { code, text, err } = await keelson('run', 'base', '--name', 'once', '--json');
    expect(code).toBe(0);
    expect(JSON.parse(text)).toEqual({ ...(await find('once')), logs: expect.any(String) });
    expect(err).toMatch(/^POST \/v3\/sessions was answered with status 503\. Trying again/);
    expect(proxy.asked.filter((each) => each === 'POST /v3/sessions').length).toBeGreaterThan(3);
  });

  test('does not mistake another session for its own', async () => {
    await plan('taken');
    await service.ask('PUT', '/v3/configurations/other', { layers });
    for (const faults of [[], ['refused' as const]]) {
      proxy.faults.push(...faults);
      const { code, err, text } = await keelson('run', 'other', '--name', 'taken');
      expect([code, text]).toEqual([2, '']);
      expect(err).toContain('taken');
    }
  });
});

describe('keelson retry and apply', () => {
  test('make exactly one session each, although answers are lost and the service is away for a while', async () => {
    await fail(await plan('lost'));
    await repeated('retry', 'lost', 'lost-retry-1');
    await check('lost-check');
    await repeated('apply', 'lost-check', 'lost-check-apply');
    await repeated('apply', 'lost-check', 'real', '--name', 'real');
  });

  async function repeated(what: 'retry' | 'apply', from: string, name: string, ...more: string[]) {
    // The last fault loses the answer to the GET of the existing session.
    proxy.faults.push('refused', 'lost', 1_000_000, 'lost');
    const { code, text, err } = await keelson(what, from, ...more);
    expect([code, text, err]).toEqual([
      0,
      expect.stringContaining(`Session ${name} was started.\n`),
      expect.stringMatching(/status 503\. Trying again.*\n$/),
    ]);
    expect(await find(name)).toMatchObject({ status: { session: { [`${what}_of`]: from } } });
  }

  test('do not mistake an earlier session for the requested one', async () => {
    await fail(await plan('twice'));
    service.setTime(new Date(Date.now() - 3_600_000).toISOString());
    expect((await service.ask('POST', '/v3/sessions/twice/retry')).status).toBe(201);
    service.setTime(undefined);
    await plan('somebody');
    for (const words of [[], ['--name', 'somebody'], ['--name', 'Not a name']]) {
      proxy.faults.push('refused');
      const { code, text } = await keelson('retry', 'twice', ...words);
      expect([code, text]).toEqual([2, '']);
    }
  });

  test('when interrupted, print the name under which the session may exist', async () => {
    await fail(await plan('left-retry-1'));
    proxy.faults.push(...Array<'lost'>(60).fill('lost'));
    const running = startKeelson(proxy.url, ['retry', 'left-retry-1']);
    await waitFor(() => running.err().includes('Trying again'), { what: 'the first answer' });
    running.child.kill('SIGINT');
    const { code, err } = await running.ended;
    proxy.faults.length = 0;
    expect([code, err]).toEqual([130, expect.stringContaining('see keelson show left-retry-2')]);
    expect(await find('left-retry-2')).toMatchObject({ name: 'left-retry-2' });
  });
});

describe('keelson run, whose answer was lost', () => {
  test('when interrupted, prints the name under which the session may exist', async () => {
    proxy.faults.push(...Array<'lost'>(60).fill('lost'));
    const running = startKeelson(proxy.url, ['run', 'base']);
    await waitFor(() => running.err().includes('Trying again'), { what: 'the first answer' });
    running.child.kill('SIGINT');
    const { code, err } = await running.ended;
    proxy.faults.length = 0;
    expect(code).toBe(130);
    const [, name = ''] =
      /may have been started as session (base-\w+): see keelson show/.exec(err) ?? [];
    expect(await find(name)).toMatchObject({ name });
  });

  test('does not mistake an earlier session for its own', async () => {
    service.setTime(new Date(Date.now() - 3_600_000).toISOString());
    await plan('earlier');
    service.setTime(undefined);
    proxy.faults.push('lost');
    const { code, err, text } = await keelson('run', 'base', '--name', 'earlier');
    expect([code, text]).toEqual([2, '']);
    expect(err).toMatch(/Trying again.*\n.*earlier/);
  });
});

describe('keelson run --follow', () => {
  test('prints what the session waits for to standard error', async () => {
    const following = startKeelson(proxy.url, ['run', 'base', '--name', 'queued', '--follow']);
    const isThere = async () => (await service.store.sessions.find('queued')) !== undefined;
    await waitFor(isThere, { what: 'the session' });
    const { jobId } = (await service.store.sessions.find('queued')) ?? { jobId: '' };
    const wait = { since: AT, message: 'Waiting for the cows.' };
    await service.store.sessions.claim(jobId, { at: AT });
    await service.store.sessions.recordWait(jobId, wait);
    await waitFor(() => following.err().includes('Waiting for the cows.\n'), { what: 'the wait' });
    await service.store.sessions.recordOutcome(jobId, { succeeded: 'true' }, AT);
    const { code, text, err } = await following.ended;
    expect(code).toBe(0);
    expect(text).not.toContain('cows');
    expect(err.match(/cows/g)).toHaveLength(1);
  });

  test('exits as the session ended, even if the service is away before, during and after', async () => {
    const whole = 1_000_000;
    proxy.faults.push(whole, 'refused', whole, 'refused', whole, 'lost', 'refused');
    const words = ['run', 'base', '--name', 'away', '--follow'];
    const following = startKeelson(proxy.url, words);
    await waitFor(() => proxy.asked.filter((each) => each.endsWith('/away/logs')).length === 2, {
      what: 'the log that is followed',
    });
    const { jobId } = (await service.store.sessions.find('away')) ?? { jobId: '' };
    await service.store.phases.savePlan(jobId, [
      { name: 'ansible-0', kind: 'ansible', title: 'ansible-0: site.yml' },
    ]);
    await append(jobId, 'ansible-0', 0, Buffer.from('play\n'));
    await fail(jobId);
    const { code, text, err } = await following.ended;
    expect([code, proxy.faults]).toEqual([1, []]);
    expect(text).toMatch(/^play\n\nSession away TASK_FAILED\n[^]* x1 /);
    expect(err.match(/Waiting to connect again/g)).toHaveLength(3);
  });
});

describe('keelson logs', () => {
  test('prints every byte, even if connections break anywhere', async () => {
    const jobId = await plan('bytes');
    await service.store.sessions.claim(jobId, { at: AT });
    const bytes = Buffer.concat([
      Buffer.from('ä€𝄞\r\n'),
      randomBytes(70_000),
      Buffer.from('x\n\n'),
    ]);
    await append(jobId, 'inventory', 0, bytes);
    await append(jobId, 'ansible-0', 0, Buffer.from('play'));
    const whole = Buffer.concat([bytes, Buffer.from('play')]);
    proxy.faults.push(100, 60, 50_000, 'refused', 70_000);
    const following = startKeelson(proxy.url, ['logs', '-f', 'bytes']);
    await waitFor(() => following.out().endsWith('x\n\n'), { what: 'the log' });
    await append(jobId, 'ansible-0', 4, Buffer.from(' book'));
    await fail(jobId);
    const { code, out, err } = await following.ended;
    expect(code).toBe(0);
    expect(out.equals(Buffer.concat([whole, Buffer.from(' book')]))).toBe(true);
    expect(err).toMatch(/Waiting to connect again …\nConnected again\.\n$/);

    expect((await keelson('logs', 'bytes')).out.equals(out)).toBe(true);
    expect((await keelson('logs', 'bytes', '--phase', 'ansible-0')).text).toBe('play book');
    const pieces = (await keelson('logs', 'bytes', '--phase', 'ansible-0', '-f', '--json')).text;
    const first = { phase: 'ansible-0', offset: 0, text: expect.stringMatching(/^play/) };
    expect(JSON.parse(pieces.split('\n')[0] ?? '')).toEqual(first);
  });

  test('says that a log broke off', async () => {
    await append(await plan('broken-off'), 'inventory', 0, Buffer.alloc(100_000, 'x'));
    proxy.faults.push(5_000);
    const { code, err } = await keelson('logs', 'broken-off');
    expect([code, err]).toEqual([
      2,
      expect.stringMatching(/^The log broke off \(.*\)\. Try again/),
    ]);
  });

  test('when interrupted, says that the session continues', async () => {
    await append(await plan('endless'), 'inventory', 0, Buffer.from('begun'));
    const following = startKeelson(proxy.url, ['logs', '-f', 'endless']);
    await waitFor(() => following.out() === 'begun', { what: 'the log' });
    following.child.kill('SIGINT');
    const { code, err } = await following.ended;
    expect([code, err]).toEqual([130, expect.stringContaining('keelson cancel endless stops it')]);
  });

  test('following to the end, does not exit with success if its reader leaves early', async () => {
    const { child, ended } = startKeelson(proxy.url, ['run', 'base', '--name', 'left', '--follow']);
    const isThere = async () => (await service.store.sessions.find('left')) !== undefined;
    await waitFor(isThere, { what: 'the session' });
    child.stdout?.destroy();
    const { jobId } = (await service.store.sessions.find('left')) ?? { jobId: '' };
    await service.store.phases.savePlan(jobId, [
      { name: 'inventory', kind: 'inventory', title: 'inventory: dynamic' },
    ]);
    await append(jobId, 'inventory', 0, Buffer.from('unread'));
    await service.store.sessions.recordOutcome(jobId, { succeeded: 'true' }, AT);
    expect(await ended).toMatchObject({ code: 2 });
  });

  test('ends quietly when its reader has seen enough', async () => {
    await append(await plan('long'), 'inventory', 0, Buffer.alloc(2_000_000, 'x'));
    const { child, ended } = startKeelson(proxy.url, ['logs', 'long']);
    child.stdout?.once('data', () => child.stdout?.destroy());
    expect(await ended).toMatchObject({ code: 0, err: '' });
  });
});

describe('keelson watch and show', () => {
  test('tell when phases ended and hosts failed, however late they are watched', async () => {
    const jobId = await plan('late');
    await fail(jobId);
    const env = { TZ: 'Asia/Tokyo' };
    const { text } = await startKeelson(proxy.url, ['watch', 'late'], { env }).ended;
    expect(text).toMatch(/^03:04:05Z {2}ansible-0 +ended: exit 2/m);
    expect(text).toMatch(/^03:04:05Z {2}ansible-0 +x1: failed/m);
    expect(text).toMatch(/^ {2}started +\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/m);
    expect(text).toMatch(/^ {2}do the rest +keelson retry late$/m);
  });

  test('tell phases, hosts that fail, and how it ended', async () => {
    const jobId = await plan('failing');
    const watching = startKeelson(proxy.url, ['watch', 'failing']);
    await service.store.phases.start(jobId, 'ansible-0');
    await service.store.phases.report(jobId, 'ansible-0', { state: 'running', startedAt: AT });
    await waitFor(() => watching.out().includes('runs: site.yml'), { what: 'the phase' });
    await fail(jobId);
    const { code, text, err } = await watching.ended;
    expect([code, err]).toEqual([1, '']);
    expect(text.match(/x1: failed in "Break": broken on purpose/g)).toHaveLength(1);
    expect(text).toMatch(/ansible-0 +ended: exit 2, after 0\.0 s/);
    expect(text).not.toMatch(/x2: failed/);
    const report = text.slice(text.indexOf('\n\n') + 2);
    expect(report).toMatch(/^Session failing TASK_FAILED\n/);
    expect(report).toContain('  message         Task "Break" failed on x1.\n');
    expect(report).toMatch(/\n {2}ansible-0 +x1 +1 +0 +1 +0 +0 +Break\n$/);

    const shown = await keelson('show', 'failing');
    expect([shown.code, shown.text]).toEqual([0, report]);
    const { session, phases } = JSON.parse((await keelson('show', 'failing', '--json')).text) as {
      readonly session: object;
      readonly phases: readonly object[];
    };
    expect(session).toEqual({ ...(await find('failing')), logs: expect.any(String) });
    expect(phases).toHaveLength(2);
    const hosts = await keelson('hosts', 'failing', '--failed', '--json');
    expect(JSON.parse(hosts.text)).toMatchObject({ host: 'x1', failed: 1 });
    expect((await keelson('hosts', 'failing')).text.split('\n')).toHaveLength(4);
  });

  test('name the hosts that failed while their phase is held', async () => {
    const jobId = await plan('held');
    const { hosts, phases, sessions } = service.store;
    const now = new Date().toISOString();
    const until = new Date(Date.now() + 3_600_000).toISOString();
    await sessions.claim(jobId, { at: now });
    await sessions.recordLaunch(jobId, { at: now, incarnation: 'i' });
    await sessions.requestHold('held');
    await phases.start(jobId, 'ansible-0');
    await phases.report(jobId, 'ansible-0', { state: 'running', startedAt: now });
    await hosts.save(jobId, 'ansible-0', { sequence: 1, final: true, hosts: lostHosts });
    await phases.hold(jobId, 'ansible-0', { since: now, until, command: 'ssh there' }, now);
    const { text } = await keelson('show', 'held');
    expect(text).toMatch(/^Session held held\n[^]* shell +ssh there\n[^]* x1 .* Break\n$/);
    expect(text).toContain('keelson rerun held\n');
    expect(text).toMatch(/^ {2}let it fail +keelson release held$/m);
    expect(text).toMatch(/ansible-0: \S+ +held /);
  });

  test('show the beginning of a limit that names many hosts', async () => {
    const names = Array.from({ length: 10_000 }, (_, index) => `x${index}`);
    const body = { name: 'many', configuration_name: 'base', ansible_limit: names.join(',') };
    await service.ask('POST', '/v3/sessions', body);
    const { text } = await keelson('show', 'many');
    expect(text).toMatch(/^ {2}hosts limit +x0,(x\d,){8}x9 and 9990 more \(--json shows them\)$/m);
  });

  test('run the playbook of a held session again', async () => {
    const jobId = await plan('mended');
    const { phases, sessions } = service.store;
    const now = new Date().toISOString();
    const until = new Date(Date.now() + 3_600_000).toISOString();
    await sessions.claim(jobId, { at: now });
    await sessions.recordLaunch(jobId, { at: now, incarnation: 'i' });
    expect(await keelson('rerun', 'mended')).toMatchObject({
      code: 2,
      err: expect.stringContaining('Session mended is not held.'),
    });
    const hold = { since: now, until, command: 'ssh there', canRerun: true };
    await phases.hold(jobId, 'ansible-0', hold, now);
    const { code, text } = await keelson('rerun', 'mended');
    expect([code, text]).toEqual([0, expect.stringMatching(/^Session mended runs .* again\.\n/)]);
    expect((await phases.find(jobId, 'ansible-0'))?.hold).toMatchObject({ rerun: { by: 'api' } });
  });

  test('tell each rerun, and the hosts that fail again', async () => {
    const jobId = await plan('again-and-again');
    const { hosts, phases } = service.store;
    await phases.start(jobId, 'ansible-0');
    await phases.report(jobId, 'ansible-0', { state: 'running', startedAt: AT });
    await hosts.save(jobId, 'ansible-0', { sequence: 1, final: false, hosts: lostHosts });
    const watching = startKeelson(proxy.url, ['watch', 'again-and-again']);
    const told = (what: string) => waitFor(() => watching.out().includes(what), { what });
    await told('x1: failed in');
    for (const count of [1, 2]) {
      const rerun = { count, filesChanged: false, firstSequence: 2 * count };
      const save = (sequence: number, of: typeof lostHosts) =>
        hosts.save(jobId, 'ansible-0', { sequence, final: false, hosts: of, rerun });
      await save(2 * count, []);
      await told(`ansible-0        runs again (${count}): site.yml\n`);
      await save(2 * count + 1, lostHosts);
      const times = () => watching.out().match(/x1: failed in "Break"/g)?.length;
      await waitFor(() => times() === count + 1, { what: 'the host' });
    }
    await fail(jobId);
    expect(await watching.ended).toMatchObject({ code: 1, err: '' });
  });

  test('do not tell of each silent host that comes back', async () => {
    const jobId = await plan('silent');
    const { sessions } = service.store;
    await sessions.claim(jobId, { at: AT });
    const names = ['x1', 'x2', 'x3'];
    const silence = { task: 'Install', since: AT, names, others: 0 };
    const say = (hosts: number) =>
      sessions.recordWait(jobId, { since: AT, message: describeSilence({ ...silence, hosts }) });
    await say(20);
    const words = [['watch'], ['logs', '-f']];
    const following = words.map((word) => startKeelson(proxy.url, [...word, 'silent']));
    for (const hosts of [20, 19, 18, 3]) {
      await say(hosts);
      for (const { out, err } of hosts === 20 || hosts === 3 ? following : [])
        await waitFor(() => `${out()}${err()}`.includes(`from ${hosts} hosts`), { what: 'news' });
    }
    await sessions.recordOutcome(jobId, { succeeded: 'true' }, AT);
    for (const { text, err } of await Promise.all(following.map(({ ended }) => ended)))
      expect([...`${text}${err}`.matchAll(/from (\d+) hosts/g)].map(([, hosts]) => hosts)).toEqual([
        '20',
        '3',
      ]);
  });

  test('name a host that was cut short without a failure of its own', async () => {
    const jobId = await plan('cut-short');
    const hosts = lostHosts.map((host) => ({ ...host, incomplete: host.failed === 0 }));
    await service.store.hosts.save(jobId, 'ansible-0', { sequence: 1, final: true, hosts });
    const { text } = await keelson('hosts', 'cut-short');
    expect(text).toMatch(
      / x1 .* Break\n.* x2 .* 0 {2}\(cut short by a failure on another host\)\n$/,
    );
  });

  test('name a host that the inventory does not have', async () => {
    const jobId = await plan('elsewhere');
    const hosts = [{ ...counts, ok: 0, failed: 0, host: 'x9', message: 'The limit names it.' }];
    await service.store.hosts.save(jobId, 'inventory', { sequence: 1, final: true, hosts });
    const { text } = await keelson('hosts', 'elsewhere');
    expect(text).toMatch(/^inventory +x9 .* 0 {2}\(no host of the inventory\)$/m);
  });

  test('end with a succeeded session, and its exit code', async () => {
    const jobId = await plan('well');
    await service.store.sessions.recordOutcome(jobId, { succeeded: 'true' }, AT);
    const { code, text } = await keelson('watch', 'well');
    expect([code, text]).toEqual([0, expect.stringContaining('Session well succeeded\n')]);
    const none = { code: 0, text: '', err: 'No host has a result.\n' };
    expect(await keelson('hosts', 'well')).toMatchObject(none);
    const events = (await keelson('watch', 'well', '--json')).text.trim().split('\n');
    expect(events.map((line) => (JSON.parse(line) as { event: string }).event)).toEqual([
      ...['phase', 'phase', 'session'],
    ]);
  });

  test('remove control characters from what a playbook has written', async () => {
    const jobId = await plan('hostile');
    const evil = 'a\x1b[2J\x1b]0;title\x07b\x9b1mc\r\nd\u202ee\tf';
    const plain = 'a␛[2J␛]0;title␇b\ufffd1mc d\ufffde f';
    const { hosts, phases, sessions } = service.store;
    const failing = { host: 'x1', ...counts, failed: 1, task: evil, message: evil };
    const titled = [{ name: 'ansible-0', kind: 'ansible', title: `ansible-0: ${evil}` }] as const;
    await phases.savePlan(jobId, titled);
    await hosts.save(jobId, 'ansible-0', { sequence: 1, final: true, hosts: [failing] });
    await sessions.recordOutcome(
      jobId,
      { succeeded: 'false', reason: 'TASK_FAILED', message: evil, phase: 'ansible-0', task: evil },
      AT,
    );
    for (const words of [['watch'], ['show'], ['hosts'], ['list', '--contains']]) {
      const { text, err } = await keelson(...words, 'hostile');
      expect(text).toContain(plain);
      expect(`${text}${err}`.replaceAll('\n', '')).not.toMatch(/[\p{Cc}\u202e]/u);
    }
    const { session } = JSON.parse((await keelson('show', 'hostile', '--json')).text) as {
      session: { status: { session: { message: string } } };
    };
    expect(session.status.session.message).toBe(evil);
  });

  test('fail for a session that never existed', async () => {
    for (const word of ['watch', 'show', 'logs', 'hosts', 'cancel', 'delete', 'retry'])
      expect(await keelson(word, 'nobody')).toMatchObject({
        code: 2,
        text: '',
        err: expect.stringContaining('nobody'),
      });
  });
});

describe('keelson list', () => {
  test('has the sessions of the last day, the latest last', async () => {
    service.setTime(new Date(Date.now() - 7_000).toISOString());
    await service.ask('POST', '/v3/sessions', { name: 'zz-early', configuration_name: 'base' });
    service.setTime(undefined);
    await service.ask('POST', '/v3/sessions', { name: 'zz-a-late', configuration_name: 'base' });
    const { text } = await keelson('list', '--contains', 'zz-');
    expect(text.trim().split('\n')).toEqual([
      expect.stringMatching(/^state +session +configuration +started +took +message$/),
      expect.stringMatching(/^pending +zz-early +base +[\d.]+ s ago +-/),
      expect.stringMatching(/^pending +zz-a-late +base /),
    ]);
    const narrowed = ['--status', 'complete', '--succeeded', 'false', '--tag', 'owner=ann'];
    expect((await keelson('list', ...narrowed)).text).toMatch(/^No sessions within 1d/);
    expect((await keelson('list', ...narrowed, '--all')).text).toBe('No sessions.\n');
    expect(
      JSON.parse((await keelson('list', '--all', '--tag', 'owner=ann', '--json')).text),
    ).toEqual([{ ...(await find('first')), logs: expect.any(String) }]);
    expect(await keelson('list', '--age', 'soon')).toMatchObject({ code: 2 });
  });
});

describe('commands that act on a session', () => {
  test('send their request, and print why it is refused', async () => {
    await plan('acted');
    for (const [word, said] of [
      ['hold', /If a playbook of session acted fails, it is held/],
      ['cancel', /Session acted is being cancelled/],
    ] as const)
      expect(await keelson(word, 'acted')).toMatchObject({
        code: 0,
        text: expect.stringMatching(said),
      });
    expect(await keelson('release', 'acted')).toMatchObject({ code: 2, text: '' });
    expect(await keelson('retry', 'well')).toMatchObject({
      code: 2,
      err: expect.stringContaining('session well has succeeded'),
    });
    expect(await keelson('retry', 'failing', '--name', 'again')).toMatchObject({
      code: 0,
      text: expect.stringMatching(/^Session again was started\./),
    });
    expect(await find('again')).toMatchObject({ status: { session: { retry_of: 'failing' } } });
    expect(await keelson('apply', 'well')).toMatchObject({
      code: 2,
      err: expect.stringContaining('well'),
    });
    expect(await keelson('delete', 'failing')).toMatchObject({ code: 0, text: '' });
    expect((await service.ask('GET', '/v3/sessions/failing')).status).toBe(404);
  });

  test('store the reason of a cancel', async () => {
    const jobId = await plan('reasoned');
    await keelson('cancel', 'reasoned', '--reason', 'the wrong nodes');
    expect(await service.store.sessions.get(jobId)).toMatchObject({
      cancelReason: 'the wrong nodes',
    });
  });
});
