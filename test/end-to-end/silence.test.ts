import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { waitFor } from '../support/wait.js';
import { openSite, renderPlaybook, type Site } from './site.js';

let site: Site;
beforeAll(async () => {
  site = await openSite();
  await site.ask('PATCH', '/v3/options', { host_silent_after: 1 });
});
afterAll(() => site.close());

async function readMessage(name: string): Promise<string | null> {
  return (await site.find(name)).status.session.message;
}

/** The details that Temporal's Web UI shows. */
async function readDetails(name: string): Promise<string> {
  const client = await site.temporalClient();
  const handle = client.workflow.getHandle((await site.find(name)).status.session.job ?? '');
  const { currentDetails } = await handle.query<{ readonly currentDetails?: string }>(
    '__temporal_workflow_metadata',
  );
  return currentDetails ?? '';
}

describe('host_silent_after', () => {
  test('makes a session name the host that its playbook waits for, also after a worker was killed, until the host continues', async () => {
    const hang =
      'name: Mount scratch\nshell: until test -e "$KEELSON_WORLD/go"; do sleep 0.1; done\nwhen: inventory_hostname == "node2"';
    await site.configure('hang', [site.layer({ 'site.yml': renderPlaybook(hang) })]);
    await site.submit('hang', { configuration_name: 'hang' });

    const named =
      /^Nothing has been heard from 1 host in task "Mount scratch" since \S+Z: node2\. A task timeout/;
    await waitFor(async () => named.test((await readMessage('hang')) ?? ''));
    await waitFor(async () => /node2.* \(As of /.test(await readDetails('hang')));
    expect(await site.find('hang')).toMatchObject({
      status: { session: { status: 'running', phase: 'ansible-0', waiting_since: null } },
    });
    await site.worker.kill();
    await site.worker.start();
    expect(await readMessage('hang')).toMatch(named);

    for (const { directory } of site.hosts) writeFileSync(join(directory, 'go'), '');
    expect(await site.whenOver('hang')).toMatchObject({ succeeded: 'true', message: null });
    expect((await site.phases('hang')).at(-1)).toMatchObject({ state: 'ended', silence: null });
    expect(await readDetails('hang')).not.toContain('Nothing has been heard');
  });
});
