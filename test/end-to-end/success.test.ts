import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { defineSearchAttributeKey } from '@temporalio/common';
import { startGitHttpServer } from '../clients/git-http-server.js';
import { startHttpProxy, type HttpProxy } from '../support/http-proxy.js';
import { openSite, renderPlaybook, writes, type Ended, type Site } from './site.js';

const PHASES = [
  ...['git-clone-0', 'git-clone-1', 'git-clone-hosts', 'inventory'],
  ...['ansible-0', 'ansible-1'],
];
let proxy: HttpProxy;
let site: Site;
let ended: Ended;
beforeAll(async () => {
  proxy = await startHttpProxy();
  site = await openSite({ environment: { GIT_PROXY: proxy.url } });
  for (const node of ['node1', 'node2'])
    await site.ask('PUT', `/v3/components/${node}`, { enabled: true, desired_config: 'two' });
  const first = renderPlaybook(writes('made', "first by {{ lookup('env', 'SESSION_NAME') }}"));
  const second = renderPlaybook(`name: Größe\n${writes('made', 'second after {{ before }}')}`);
  const variable = "{{ lookup('env', 'LAYER_PREVIOUS') }}";
  ended = await site.run('two', [
    { name: 'Größe „mit" spaces; $(true)', ...site.layer({ 'site.yml': first }) },
    site.layer({ 'über.yml': second.replace('{{ before }}', variable) }, 'über.yml'),
  ]);
});
afterAll(async () => {
  await site.close();
  await proxy.close();
});

test('it succeeds, and its playbooks ran in order on both hosts', () => {
  expect(ended).toMatchObject({ succeeded: 'true', reason: null, message: null });
  const made = 'first by two\nsecond after 0\n';
  expect(site.made('made')).toEqual({ node1: made, node2: made });
});

test('phases are in order, and none began before the previous one had ended', async () => {
  const { body } = await site.ask('GET', '/v3/sessions/two/phases');
  const { phases } = body as {
    phases: { name: string; exit_code: number; start_time: string; completion_time: string }[];
  };
  expect(phases.map(({ name, exit_code }) => [name, exit_code])).toEqual(
    PHASES.map((name) => [name, 0]),
  );
  const times = phases.flatMap(({ start_time, completion_time }) => [start_time, completion_time]);
  expect(times).toEqual([...times].sort());
});

test.each(PHASES)('the stored log of %s is the same as the file of the job', async (phase) => {
  const response = await fetch(`${site.url}/v3/sessions/two/logs?phase=${phase}`);
  const stored = Buffer.from(await response.arrayBuffer());
  const file = join(site.directory, 'data', 'jobs', ended.job, 'logs', `${phase}.log`);
  expect(stored.length).toBeGreaterThan(0);
  expect(sha256(stored)).toBe(sha256(readFileSync(file)));
});

test('each host has a result for each layer', async () => {
  const { body } = await site.ask('GET', '/v3/sessions/two/hosts');
  const result = { failed: 0, unreachable: 0, incomplete: false, task: null, message: null };
  expect(body).toMatchObject({
    hosts: [
      { phase: 'ansible-0', host: 'node1', ok: 1, changed: 1, ...result },
      { phase: 'ansible-0', host: 'node2', ok: 1, changed: 1, ...result },
      { phase: 'ansible-1', host: 'node1', ok: 1, changed: 1, ...result },
      { phase: 'ansible-1', host: 'node2', ok: 1, changed: 1, ...result },
    ],
  });
});

test('each host that is a component is configured by this session', async () => {
  const { body } = await site.ask('GET', '/v3/components?state_details=true&config_details=true');
  const layer = { session_name: 'two', status: 'applied' };
  const component = {
    ...{ configuration_status: 'configured', error_count: 0 },
    state: [
      { ...layer, playbook: 'site.yml' },
      { ...layer, playbook: 'über.yml' },
    ],
    desired_state: [{ status: 'configured' }, { status: 'configured' }],
  };
  expect(body).toMatchObject({
    components: [
      { id: 'node1', ...component },
      { id: 'node2', ...component },
    ],
  });
});

test('Temporal shows the session and its progress', async () => {
  const handle = (await site.temporalClient()).workflow.getHandle(ended.job);
  // The record is complete shortly before the workflow is.
  expect(await handle.result()).toEqual({ outcome: 'succeeded' });
  const description = await handle.describe();
  expect(description.status.name).toBe('COMPLETED');
  expect(description.type).toBe('SessionWorkflow');
  expect(await description.staticSummary()).toBe('two: two → dynamic');
  const attribute = (name: string) =>
    description.typedSearchAttributes.get(defineSearchAttributeKey(name, 'KEYWORD'));
  expect(attribute('SessionName')).toBe('two');
  expect(attribute('SessionConfiguration')).toBe('two');
  expect(attribute('SessionStatus')).toBe('complete');
});

test('the timeline in Temporal reads like the list of phases', async () => {
  const handle = (await site.temporalClient()).workflow.getHandle(ended.job);
  const { events } = await handle.fetchHistory();
  const activities = (events ?? []).flatMap((event) => {
    const type = event.activityTaskScheduledEventAttributes?.activityType?.name;
    const summary = event.userMetadata?.summary?.data;
    const text = summary ? (JSON.parse(Buffer.from(summary).toString()) as string) : '';
    return type ? [[type, text.split(':')[0]]] : [];
  });
  expect(activities.filter(([, summary]) => summary !== '')).toEqual([
    ['gitClone', 'git-clone-0'],
    ['gitClone', 'git-clone-1'],
    ['gitCloneHosts', 'git-clone-hosts'],
    ['inventory', 'inventory'],
    ['ansible', 'ansible-0'],
    ['ansible', 'ansible-1'],
  ]);
  expect(activities.filter(([, summary]) => summary === '').map(([type]) => type)).toEqual([
    ...['claimSession', 'resolveConfiguration', 'stageInventory', 'launchJob'],
    ...['stopJob', 'removeStagedFiles', 'recordOutcome'],
  ]);
});

test('a follower gets the same bytes as a later reader', async () => {
  await site.submit('followed', { configuration_name: 'two' });
  await site.whenPhase('followed', 'git-clone-0');
  const live = await site.ask('GET', '/v3/sessions/followed/logs?follow=true');
  await site.whenOver('followed');
  const later = await site.ask('GET', '/v3/sessions/followed/logs');
  expect(live.body).toBe(later.body);
  expect(live.body).toContain('Größe');
});

function sha256(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex');
}

test('a commit that one session has cloned, through a proxy, is available to the next while the git server is away', async () => {
  const { directory, commit } = site.repository({
    'site.yml': renderPlaybook(writes('kept', 'x')),
  });
  const server = await startGitHttpServer({ root: dirname(directory) });
  const layers = [
    { clone_url: `${server.url}/${basename(directory)}`, commit, playbook: 'site.yml' },
  ];
  await site.run('before', layers).finally(() => server.close());
  expect(new Set(proxy.passed)).toEqual(new Set([new URL(server.url).host]));
  expect(await site.run('meanwhile', layers)).toMatchObject({ succeeded: 'true' });
  const log = await site.ask('GET', '/v3/sessions/meanwhile/logs?phase=git-clone-0');
  expect(log.body).toContain('the server was not asked');
  expect(site.made('kept')).toEqual({ node1: 'x\nx\n', node2: 'x\nx\n' });
});
