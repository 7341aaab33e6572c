import { chmodSync, existsSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { waitFor } from '../support/wait.js';
import { startSilentServer, type SilentServer } from './silent-server.js';
import { endless, openSite, renderPlaybook, writes, type Ended, type Site } from './site.js';

const ABSENT = 'f'.repeat(40);

let silent: SilentServer;
let site: Site;
beforeAll(async () => {
  silent = await startSilentServer();
  // The HSM never answers. Sessions that need no HSM have targets without it.
  site = await openSite({ environment: { INVENTORY_FILE: '', HSM_URL: silent.url } });
  await configureAll();
});
afterAll(async () => {
  await site.close();
  await silent.close();
});

const fine = renderPlaybook(writes('fine', "{{ lookup('env', 'SESSION_NAME') }}"));
const lab = { definition: 'spec', groups: [{ name: 'lab', members: ['node1', 'node2'] }] };

const WAYS = ['api', 'signal', 'native'] as const;
type Way = (typeof WAYS)[number];
const PHASES = [
  ...['git-clone-0', 'git-clone-1', 'git-clone-hosts'],
  ...['inventory', 'ansible-0', 'ansible-1'],
];

describe.each(PHASES)('cancelled in %s', (phase) => {
  test.each(WAYS)('by %s', async (way) => {
    const name = `${phase}-${way}`;
    await site.submit(name, { configuration_name: phase, target: lab });
    await whenBusy(name, phase);
    const ended = await cancel(name, way);
    expect(ended).toMatchObject({ succeeded: 'false', reason: 'CANCELLED', phase });
    const { body } = await site.ask('GET', `/v3/sessions/${name}/phases`);
    const { phases } = body as { phases: { name: string; result: string; reason: string }[] };
    const at = phases.findIndex((each) => each.name === phase);
    expect(phases.slice(0, at).every(({ result }) => result === 'exited')).toBe(true);
    expect(phases[at]).toMatchObject({ result: 'killed', reason: 'stopped', log_complete: true });
    expect(phases.slice(at + 1).every(({ reason }) => reason === 'skipped')).toBe(true);
    await expectLogOfJob(name, ended, phase);
  });
});

describe.each(['resolveConfiguration', 'stageInventory'])('cancelled in %s', (step) => {
  test.each(WAYS)('by %s', async (way) => {
    const name = `${step.toLowerCase()}-${way}`;
    const isResolve = step === 'resolveConfiguration';
    await site.ask('PATCH', '/v3/options', {
      additional_inventory_url: isResolve ? `${silent.url}/hosts.git` : '',
    });
    await site.submit(name, { configuration_name: isResolve ? 'bare' : 'ansible-0' });
    await waitFor(() => silent.connections() > 0, { what: `${step} to ask` });
    const ended = await cancel(name, way);
    expect(ended).toMatchObject({ succeeded: 'false', reason: 'CANCELLED' });
    await waitFor(() => silent.connections() === 0, { what: 'the connection to be given up' });
  });
});

describe('deleted', () => {
  test('while it runs, it stops and its name is free at once', async () => {
    await site.submit('again', { configuration_name: 'ansible-0', target: lab });
    await whenBusy('again', 'ansible-0');
    const { job } = (await site.find('again')).status.session;
    expect((await site.ask('DELETE', '/v3/sessions/again')).status).toBe(204);
    expect((await site.ask('GET', '/v3/sessions/again')).status).toBe(404);
    await site.submit('again', { configuration_name: 'fine', target: lab });
    const handle = (await site.temporalClient()).workflow.getHandle(job ?? '');
    expect(await handle.result()).toMatchObject({ outcome: 'cancelled', reason: 'CANCELLED' });
    await site.expectNothingLeft(job ?? '');
    const second = await site.whenOver('again');
    expect(second).toMatchObject({ succeeded: 'true' });
    expect(second.job).not.toBe(job);
    const made = expect.stringMatching(/^again$/m) as unknown;
    expect(site.made('fine')).toEqual({ node1: made, node2: made });
  });

  test('when it is over, its name is free again', async () => {
    await site.submit('over', { configuration_name: 'fine', target: lab });
    await site.whenOver('over');
    expect((await site.ask('POST', '/v3/sessions/over/cancel')).status).toBe(409);
    expect((await site.ask('DELETE', '/v3/sessions/over')).status).toBe(204);
    await site.submit('over', { configuration_name: 'fine', target: lab });
    expect(await site.whenOver('over')).toMatchObject({ succeeded: 'true' });
  });
});

async function cancel(name: string, way: Way): Promise<Ended> {
  const { job } = (await site.find(name)).status.session;
  const handle = (await site.temporalClient()).workflow.getHandle(job ?? '');
  if (way === 'native') await handle.cancel();
  else if (way === 'signal') await handle.signal('cancel', { reason: 'by hand' });
  else {
    const { status } = await site.ask('POST', `/v3/sessions/${name}/cancel`, { reason: 'by hand' });
    expect(status).toBe(202);
  }
  const ended = await site.whenOver(name);
  if (way === 'native') {
    await expect(handle.result()).rejects.toMatchObject({ cause: { name: 'CancelledFailure' } });
  } else {
    expect(ended.message).toContain('by hand');
    expect(await handle.result()).toMatchObject({ outcome: 'cancelled', reason: 'CANCELLED' });
  }
  const { status } = await handle.describe();
  expect(status.name).toBe(way === 'native' ? 'CANCELLED' : 'COMPLETED');
  return ended;
}

/** Waits until the phase does what never ends. */
async function whenBusy(name: string, phase: string): Promise<void> {
  await site.whenPhase(name, phase);
  const isBusy = () => {
    if (phase.startsWith('git-clone')) return silent.connections() > 0;
    if (phase === 'inventory') return existsSync(join(site.directory, `asked-${name}`));
    return Object.values(site.made('begun')).every((text) => text?.includes(`${name}\n`));
  };
  await waitFor(isBusy, { what: `${name} to be busy in ${phase}` });
}

async function expectLogOfJob(name: string, { job }: Ended, phase: string): Promise<void> {
  expect(await site.log(name, phase)).toBe(site.readJobFile(job, 'logs', `${phase}.log`));
}

/** For each phase a configuration of its name in which it never ends. `bare` has no inventory, `fine` succeeds. */
async function configureAll(): Promise<void> {
  // Every phase ends at SIGTERM, so no cancel may wait for the grace time.
  await site.ask('PATCH', '/v3/options', { cancel_grace_seconds: 3600 });
  const good = site.layer({ 'site.yml': fine });
  const bad = site.layer({ 'site.yml': endless });
  const unanswered = { ...good, clone_url: `${silent.url}/layer.git`, commit: ABSENT };
  await site.configure('git-clone-0', [unanswered, good]);
  await site.configure('git-clone-1', [good, unanswered]);
  await site.ask('PUT', '/v3/configurations/git-clone-hosts', {
    layers: [good],
    additional_inventory: { clone_url: `${silent.url}/hosts.git`, commit: ABSENT },
  });
  await site.configure('ansible-0', [bad, good]);
  await site.configure('ansible-1', [good, bad]);
  await site.configure('fine', [good]);
  await site.ask('PUT', '/v3/configurations/bare', { layers: [good] });
  const { directory } = site.inventory;
  const script = join(dirname(directory), 'tree', 'slow');
  writeFileSync(script, renderEndlessInventory());
  chmodSync(script, 0o755);
  await site.ask('PUT', '/v3/configurations/inventory', {
    layers: [good],
    additional_inventory: { clone_url: site.inventory.url, commit: site.inventory.addCommit({}) },
  });
}

/** An inventory script that reports that it runs, and never ends. */
function renderEndlessInventory(): string {
  return `#!/bin/sh
session=\${KEELSON_JOB#cfs-}
touch "${site.directory}/asked-\${session%-*}"
exec sleep 600
`;
}
