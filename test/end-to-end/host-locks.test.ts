import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { waitFor } from '../support/wait.js';
import { openSite, renderPlay, writes, type Site } from './site.js';

let site: Site;
beforeAll(async () => {
  site = await openSite({ environment: { SWEEP_INTERVAL: '1' } });
  await site.ask('PATCH', '/v3/options', { host_locks: true });
  const name = "{{ lookup('env', 'SESSION_NAME') }}";
  await site.configure('held', [
    site.layer({
      'site.yml': renderPlay(
        'all',
        writes('runs', `${name} begins`),
        `shell: until test -e "$KEELSON_WORLD/go-${name}"; do sleep 0.1; done`,
        writes('runs', `${name} ends`),
      ),
    }),
  ]);
});
afterAll(() => site.close());

const submit = (name: string, ansible_limit: string) =>
  site.submit(name, {
    configuration_name: 'held',
    ansible_limit,
    target: { definition: 'spec', groups: [{ name: 'lab', members: ['node1', 'node2'] }] },
  });

/** Lets the session's playbook end on each host. */
function letGo(name: string): void {
  for (const { directory } of site.hosts) writeFileSync(join(directory, `go-${name}`), '');
}

const whenBehind = (name: string, other: string) =>
  waitFor(
    async () => {
      const { session } = (await site.find(name)).status;
      return session.message?.includes(`session ${other} comes first`) === true;
    },
    { what: `${name} to wait for ${other}` },
  );

describe('host_locks', () => {
  test('runs sessions on a host one after the other, even if the workflow of a waiting one is terminated', async () => {
    await submit('first', 'node1');
    await site.whenPhase('first', 'ansible-0');
    await submit('second', 'lab');
    await whenBehind('second', 'first');
    await submit('third', 'node2');
    await whenBehind('third', 'second');
    await submit('fourth', 'node1,node2');
    await whenBehind('fourth', 'third');

    const client = await site.temporalClient();
    const { job } = (await site.find('second')).status.session;
    const waiting = client.workflow.getHandle(job ?? '');
    const { runId } = await waiting.describe();
    await waiting.terminate('test');
    await waitFor(async () => (await waiting.describe()).runId !== runId, {
      what: 'the sweep to start it again',
    });
    await site.worker.kill();
    await site.worker.start();
    expect((await site.find('second')).status.session.status).toBe('pending');
    expect((await site.ask('POST', '/v3/sessions/fourth/cancel')).status).toBe(202);
    expect(await site.whenOver('fourth')).toMatchObject({ reason: 'CANCELLED' });

    for (const name of ['first', 'second', 'third']) {
      letGo(name);
      expect(await site.whenOver(name)).toMatchObject({ succeeded: 'true' });
    }
    const on = (...names: readonly string[]) =>
      names.map((name) => `${name} begins\n${name} ends\n`).join('');
    expect(site.made('runs')).toEqual({
      node1: on('first', 'second'),
      node2: on('second', 'third'),
    });
    expect(await site.log('second', 'inventory')).toMatch(
      /session first comes first on node1 .*\n(?:.*\n)*Waited \d+ s for its hosts/,
    );
  });

  test('lets sessions of other hosts run side by side', async () => {
    await submit('one', 'node1');
    await submit('other', 'node2');
    for (const name of ['one', 'other']) await site.whenPhase(name, 'ansible-0');
    for (const name of ['one', 'other']) letGo(name);
    for (const name of ['one', 'other'])
      expect(await site.whenOver(name)).toMatchObject({ succeeded: 'true' });
  });
});
