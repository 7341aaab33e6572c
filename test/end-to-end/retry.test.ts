import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { openSite, renderPlaybook, writes, type Site } from './site.js';

let site: Site;
beforeAll(async () => {
  site = await openSite();
});
afterAll(() => site.close());

async function retry(name: string): Promise<string> {
  const { status, body } = await site.ask('POST', `/v3/sessions/${name}/retry`);
  expect(status).toBe(201);
  return (body as { readonly name: string }).name;
}

const runs = (layer: number, more = '') =>
  renderPlaybook(...(more === '' ? [] : [more]), writes('runs', `layer ${layer}`));

test('a retry runs what its session has not done: the failed hosts of a layer, and the layers after it', async () => {
  const broken = `command: "false"\nwhen: inventory_hostname == 'node2' and not lookup('env', 'SESSION_NAME') is search('retry-2')`;
  const ended = await site.run('first', [
    site.layer({ 'site.yml': runs(0) }),
    site.layer({ 'site.yml': runs(1, broken) }),
    site.layer({ 'site.yml': runs(2) }),
  ]);
  expect(ended).toMatchObject({ reason: 'TASK_FAILED', host: 'node2', phase: 'ansible-1' });
  expect(site.made('runs')).toEqual({ node1: 'layer 0\nlayer 1\n', node2: 'layer 0\n' });

  const second = await retry('first');
  expect(second).toBe('first-retry-1');
  expect(await site.whenOver(second)).toMatchObject({ host: 'node2', phase: 'ansible-1' });
  expect(site.made('runs')).toEqual({ node1: 'layer 0\nlayer 1\n', node2: 'layer 0\n' });
  expect(await site.log(second, 'inventory')).toMatch(
    /^Retry of first: layer 0 is done; layer 1 runs without the 1 host that has it\.\n/,
  );
  expect(await site.log(second, 'ansible-1')).toContain(
    'Hosts that have this layer and are left out: 1, others: 1.\n',
  );

  const third = await retry(second);
  expect(await site.whenOver(third)).toMatchObject({ succeeded: 'true' });
  expect((await site.phases(third)).map(({ name }) => name)).not.toContain('ansible-0');
  expect(site.made('runs')).toEqual({
    node1: 'layer 0\nlayer 1\nlayer 2\n',
    node2: 'layer 0\nlayer 1\nlayer 2\n',
  });
  expect((await site.ask('POST', `/v3/sessions/${third}/retry`)).status).toBe(409);
});

test('a repaired layer runs on all hosts', async () => {
  const layers = [site.layer({ 'site.yml': runs(3) })];
  const broken = site.layer({ 'site.yml': runs(4, `fail:\nwhen: inventory_hostname == 'node2'`) });
  await site.run('repaired', [...layers, broken]);
  await site.configure('repaired', [...layers, site.layer({ 'site.yml': runs(5) })]);
  expect(await site.whenOver(await retry('repaired'))).toMatchObject({ succeeded: 'true' });
  const made = site.made('runs');
  expect(made['node1']).toMatch(/layer 3\nlayer 4\nlayer 5\n$/);
  expect(made['node2']).toMatch(/layer 3\nlayer 5\n$/);
});
