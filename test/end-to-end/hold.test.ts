import { execFileSync } from 'node:child_process';
import { existsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { waitFor } from '../support/wait.js';
import { openSite, renderPlaybook, type Site } from './site.js';

let site: Site;
beforeAll(async () => {
  site = await openSite();
});
afterAll(() => site.close());

const broken = renderPlaybook('name: Break\nfail: {msg: broken on purpose}');
const failed = { status: 'complete', succeeded: 'false', reason: 'TASK_FAILED', task: 'Break' };

interface Shown {
  readonly job: string;
  readonly phase: string;
  readonly held_until: string | null;
  readonly hold_command: string | null;
}

async function submit(name: string): Promise<void> {
  await site.configure(name, [site.layer({ 'site.yml': broken })]);
  await site.submit(name, { configuration_name: name, debug_on_failure: true });
}

interface Component {
  readonly state: readonly object[];
}

/** Makes the first host a component that is to have this configuration. */
async function desire(configuration: string): Promise<void> {
  const body = { enabled: true, state: [], desired_config: configuration };
  await site.ask('PUT', '/v3/components/node1', body);
}

async function readComponent(): Promise<Component> {
  const { body } = await site.ask('GET', '/v3/components/node1?state_details=true');
  return body as Component;
}

async function whenHeld(name: string): Promise<Shown> {
  return waitFor(
    async () => {
      const session = (await site.find(name)).status.session as unknown as Shown;
      return session.held_until === null ? undefined : session;
    },
    { what: `${name} to be held` },
  );
}

describe('POST /v3/sessions/{name}/hold', () => {
  test('holds a session that was started without debug_on_failure, when its playbook fails later', async () => {
    const [began, goOn] = ['began', 'go-on'].map((name) => join(site.directory, name));
    const waiting = renderPlaybook(
      `name: Wait\nshell: touch ${began}; while [ ! -e ${goOn} ]; do sleep 0.1; done; exit 3`,
    );
    await site.configure('late', [site.layer({ 'site.yml': waiting })]);
    await site.submit('late', { configuration_name: 'late' });
    await waitFor(() => existsSync(began ?? ''), { what: 'the playbook to run' });
    expect((await site.ask('POST', '/v3/sessions/late/hold')).status).toBe(202);
    writeFileSync(goOn ?? '', '');

    expect(await whenHeld('late')).toMatchObject({ phase: 'ansible-0', status: 'running' });
    expect((await site.ask('POST', '/v3/sessions/late/release')).status).toBe(202);
    const ended = { status: 'complete', reason: 'TASK_FAILED', task: 'Wait' };
    expect(await site.whenOver('late')).toMatchObject(ended);
    expect((await site.ask('POST', '/v3/sessions/late/hold')).status).toBe(409);
  });
});

describe('debug_on_failure', () => {
  test('holds the failed playbook while the worker dies and comes back, until it is released', async () => {
    await submit('held');
    const held = await whenHeld('held');
    expect(held).toMatchObject({ phase: 'ansible-0', status: 'running', succeeded: 'none' });
    expect(Date.parse(held.held_until ?? '')).toBeGreaterThan(Date.now());
    const log = await site.log('held', 'ansible-0');
    expect(log).toBe(site.readJobFile(held.job, 'logs', 'ansible-0.log'));
    expect(log).toMatch(/broken on purpose[\s\S]*Held for debugging on .*\n$/);

    const command = `${held.hold_command ?? ''} -c 'ansible-playbook -i hosts layer0/site.yml'`;
    expect(() =>
      execFileSync('sh', ['-c', command], {
        env: { PATH: process.env['PATH'], SHELL: '/bin/sh' },
        encoding: 'utf8',
      }),
    ).toThrow(
      expect.objectContaining({ status: 2, stdout: expect.stringContaining('broken on purpose') }),
    );

    await site.worker.kill();
    await site.worker.start();
    expect(await whenHeld('held')).toMatchObject({ held_until: held.held_until });
    expect((await site.ask('POST', '/v3/sessions/held/release')).status).toBe(202);
    const ended = await site.whenOver('held');
    expect(ended).toMatchObject({ ...failed, held_until: null, phase: 'ansible-0' });
    expect(await site.log('held', 'ansible-0')).toContain('The hold has ended: it was released.');
    expect((await site.ask('POST', '/v3/sessions/held/release')).status).toBe(409);
  });

  test('runs a corrected playbook again in the same session, and then the later layers', async () => {
    const mark = join(site.directory, 'mended');
    const needy = renderPlaybook(`name: Break\nshell: test -e ${mark}`);
    const later = renderPlaybook('name: Later\nshell: echo later');
    const layers = [site.layer({ 'site.yml': needy }), site.layer({ 'site.yml': later })];
    await desire('mended');
    await site.configure('mended', layers);
    await site.submit('mended', { configuration_name: 'mended', debug_on_failure: true });
    const { job } = await whenHeld('mended');
    const rerun = async () =>
      (await site.ask('POST', '/v3/sessions/mended/release', { rerun: true })).status;

    expect(await rerun()).toBe(202);
    await waitFor(
      async () => (await site.log('mended', 'ansible-0')).split('Held for debugging').length === 3,
      { what: 'the second hold' },
    );
    await whenHeld('mended');
    writeFileSync(mark, '');
    expect(await rerun()).toBe(202);

    expect(await site.whenOver('mended')).toMatchObject({ succeeded: 'true', message: null });
    const log = await site.log('mended', 'ansible-0');
    expect(log).toBe(site.readJobFile(job, 'logs', 'ansible-0.log'));
    expect(log.split('ansible-0 begins again, with unchanged files.\n')).toHaveLength(3);
    expect((await site.phases('mended')).slice(-2)).toMatchObject([
      { exit_code: 0, reruns: 2, files_changed: false, hold: { rerun: true } },
      { exit_code: 0, reruns: 0, hold: null },
    ]);
    const { body } = await site.ask('GET', '/v3/sessions/mended/hosts');
    const { hosts } = body as { readonly hosts: readonly { phase: string; failed: number }[] };
    expect(hosts.map(({ phase, failed: tasks }) => [phase, tasks])).toEqual([
      ...[0, 0].flatMap((no) => [['ansible-0', no]]),
      ...[0, 0].flatMap((no) => [['ansible-1', no]]),
    ]);
    expect(await readComponent()).toMatchObject({
      configuration_status: 'configured',
      error_count: 0,
      state: layers.map(({ commit }) => ({ commit, status: 'applied' })),
    });
  });

  test('does not count an edited playbook as the commit, and leaves that to be applied', async () => {
    await desire('edited');
    await submit('edited');
    const { job } = await whenHeld('edited');
    const playbook = join(site.directory, 'data', 'jobs', job, 'workspace', 'layer0', 'site.yml');
    writeFileSync(playbook, renderPlaybook('name: Mended\nshell: echo mended'));
    const body = { rerun: true };
    expect((await site.ask('POST', '/v3/sessions/edited/release', body)).status).toBe(202);

    expect(await site.whenOver('edited')).toMatchObject({
      succeeded: 'true',
      message: expect.stringContaining('not those of the recorded commit: ansible-0 (site.yml).'),
    });
    expect(await site.log('edited', 'ansible-0')).toMatch(
      /not those of the recorded commit: layer0, at commit [0-9a-f]{40} with changes in site\.yml\./,
    );
    const component = await readComponent();
    expect(component).toMatchObject({ configuration_status: 'pending', error_count: 0 });
    expect(component.state.at(-1)).toMatchObject({ session_name: 'edited', status: 'incomplete' });
  });

  test('a cancel ends a playbook that runs again, as it ends any other', async () => {
    const [begun, mark] = ['begun-again', 'waits'].map((name) => join(site.directory, name));
    const waits = `shell: test -e ${mark} && touch ${begun} && exec sleep 600`;
    await site.configure('stopped', [site.layer({ 'site.yml': renderPlaybook(waits) })]);
    await site.submit('stopped', { configuration_name: 'stopped', debug_on_failure: true });
    await whenHeld('stopped');
    writeFileSync(mark ?? '', '');
    const body = { rerun: true };
    expect((await site.ask('POST', '/v3/sessions/stopped/release', body)).status).toBe(202);
    await waitFor(() => existsSync(begun ?? ''), { what: 'the playbook to run again' });
    await site.worker.kill();
    await site.worker.start();
    expect((await site.ask('POST', '/v3/sessions/stopped/cancel')).status).toBe(202);
    expect(await site.whenOver('stopped')).toMatchObject({ reason: 'CANCELLED' });
  });

  test('a cancel ends a hold, and the session still fails as it did before', async () => {
    await submit('cancelled');
    await whenHeld('cancelled');
    expect((await site.ask('POST', '/v3/sessions/cancelled/cancel')).status).toBe(202);
    expect(await site.whenOver('cancelled')).toMatchObject(failed);
  });

  test('the file `complete` ends a hold, and so does debug_wait_time', async () => {
    await submit('by-file');
    const { job } = await whenHeld('by-file');
    writeFileSync(join(site.directory, 'data', 'jobs', job, 'workspace', 'complete'), '');
    expect(await site.whenOver('by-file')).toMatchObject(failed);

    await site.ask('PATCH', '/v3/options', { debug_wait_time: 1 });
    await submit('by-time');
    expect(await site.whenOver('by-time')).toMatchObject(failed);
    expect(await site.log('by-time', 'ansible-0')).toContain('its time is over.');

    await site.ask('PATCH', '/v3/options', { debug_wait_time: 0 });
    await submit('no-time');
    expect(await site.whenOver('no-time')).toMatchObject(failed);
    expect(await site.log('no-time', 'ansible-0')).not.toContain('Held');
  });
});
