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
