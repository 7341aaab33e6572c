import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { stringify } from 'yaml';
import { isSignedBy, startReceiver, type Receiver } from '../support/receiver.js';
import { endless, openSite, renderPlaybook, writes, type Site } from './site.js';

const SECRET = `whsec_${Buffer.alloc(32, 7).toString('base64')}`;
const PUBLIC_URL = 'https://cfs.example/apis/cfs';

let directory: string;
let receiver: Receiver;
let site: Site;
beforeAll(async () => {
  directory = mkdtempSync(join(tmpdir(), 'keelson-webhooks-'));
  receiver = await startReceiver();
  const file = join(directory, 'webhooks.yaml');
  const webhooks = [
    { name: 'all', url: `${receiver.url}/all`, secret: SECRET },
    { name: 'failed', url: `${receiver.url}/failed`, when: 'failed' },
  ];
  writeFileSync(file, stringify(webhooks));
  site = await openSite({
    environment: { WEBHOOKS_FILE: file, PUBLIC_URL, SWEEP_INTERVAL: '1' },
  });
});
afterAll(async () => {
  await site.close();
  await receiver.close();
  rmSync(directory, { recursive: true });
});

test('a success is reported with its hosts, except to webhooks that want only failures', async () => {
  await site.run('good', [site.layer({ 'site.yml': renderPlaybook(writes('made', 'fine')) })]);
  const [delivery] = await receiver.whenTold('good', '/all');
  if (delivery === undefined) throw new Error('nothing came');
  expect(isSignedBy(SECRET, delivery)).toBe(true);
  const log = `${PUBLIC_URL}/v3/sessions/good/logs`;
  expect(delivery.body).toMatchObject({
    text: `Session good succeeded. Of 2 hosts 2 changed. ${log}`,
    session: { succeeded: 'true', reason: null, configuration: { name: 'good' } },
    hosts: { total: 2, changed: 2, failed: 0 },
    ...{ failed_hosts: [], links: { log } },
  });
  expect(receiver.of('good', '/failed')).toEqual([]);
});

test('a failure is reported with host, task and message, and its retry with the session that it retries', async () => {
  const failing = renderPlaybook(
    `name: Check the disk\ncommand: sh -c "echo the disk is full >&2; exit 3"\nwhen: inventory_hostname == 'node2'`,
  );
  await site.run('bad', [site.layer({ 'site.yml': failing })]);
  const [delivery] = await receiver.whenTold('bad', '/failed');
  const [host] = delivery?.body.failed_hosts ?? [];
  expect(host).toMatchObject({ host: 'node2', phase: 'ansible-0', result: 'failed' });
  expect(host).toMatchObject({ task: 'Check the disk', message: expect.stringMatching(/full/) });
  expect(delivery?.body).toMatchObject({
    text: expect.stringMatching(
      /^Session bad failed \(TASK_FAILED\): site\.yml: .* 1 failed\. https/,
    ),
    session: { reason: 'TASK_FAILED', phase: 'ansible-0', host: 'node2', retry_of: null },
    hosts: { total: 2, failed: 1, unreachable: 0 },
  });
  await site.ask('POST', '/v3/sessions/bad/retry');
  await site.whenOver('bad-retry-1');
  const [retried] = await receiver.whenTold('bad-retry-1', '/failed');
  expect(retried?.body.session).toMatchObject({ retry_of: 'bad', reason: 'TASK_FAILED' });
});

test('the end of a session whose workflow was terminated is reported once', async () => {
  await site.configure('endless', [site.layer({ 'site.yml': endless })]);
  await site.submit('endless', { configuration_name: 'endless' });
  await site.whenPhase('endless', 'ansible-0');
  const client = await site.temporalClient();
  const { job } = (await site.find('endless')).status.session;
  await client.workflow.getHandle(job ?? '').terminate('test');
  await site.ask('POST', '/v3/sessions/endless/cancel');
  await site.whenOver('endless');
  await receiver.whenTold('endless', '/all');
  expect(receiver.of('endless', '/all')).toHaveLength(1);
});

test('ends while every worker is dead are reported by the next one, also of deleted sessions', async () => {
  await site.worker.kill();
  for (const name of ['cancelled', 'deleted'])
    await site.submit(name, { configuration_name: 'good' });
  await site.ask('POST', '/v3/sessions/cancelled/cancel');
  await site.ask('DELETE', '/v3/sessions/deleted');
  expect([...receiver.of('cancelled'), ...receiver.of('deleted')]).toEqual([]);
  await site.worker.start();
  const [cancelled] = await receiver.whenTold('cancelled', '/failed');
  const [deleted] = await receiver.whenTold('deleted', '/failed');
  expect(cancelled?.body.session).toMatchObject({ reason: 'CANCELLED', deleted: false });
  expect(deleted?.body).toMatchObject({ session: { deleted: true }, links: null });
});
