import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { waitFor } from '../support/wait.js';
import { openSite, renderPlaybook, writes, type Site } from './site.js';

let site: Site;
beforeAll(async () => {
  site = await openSite();
});
afterAll(() => site.close());

interface Listed {
  readonly components: readonly { readonly id: string; readonly configuration_status: string }[];
  readonly sessions: readonly { readonly name: string }[];
  readonly batches: readonly object[];
}

const get = async (path: string) => (await site.ask('GET', path)).body as Listed;

test('pending nodes are configured once, whatever is killed meanwhile', async () => {
  const go = join(site.directory, 'go');
  const layer = site.layer({
    'site.yml': renderPlaybook(
      writes('made', "{{ lookup('env', 'SESSION_NAME') }}"),
      `shell: until [ -e "${go}" ]; do sleep 0.1; done`,
    ),
  });
  await site.configure('auto', [layer]);
  await site.ask('PATCH', '/v3/options', {
    ...{ batcher: 'internal', batcher_check_interval: 1, batch_window: 0 },
  });
  for (const node of ['node1', 'node2'])
    await site.ask('PUT', `/v3/components/${node}`, { enabled: true, desired_config: 'auto' });
  // Workers look only every half minute whether a batcher is needed.
  await waitFor(() => site.made('made').node1 !== undefined && site.made('made').node2, {
    what: 'the playbook to run on both nodes',
  });
  await Promise.all([site.worker.kill(), site.api.kill(), site.temporal.kill()]);
  await site.temporal.start();
  await Promise.all([site.worker.start(), site.api.start()]);
  writeFileSync(go, '');

  await waitFor(async () => (await get('/v3/batches?state=finished')).batches.length === 1, {
    what: 'the batch to be finished',
  });
  expect((await get('/v3/components')).components).toMatchObject([
    { id: 'node1', configuration_status: 'configured' },
    { id: 'node2', configuration_status: 'configured' },
  ]);
  const { sessions } = await get('/v3/sessions?name_contains=batcher-');
  const names = sessions.map(({ name }) => name);
  expect(names).toHaveLength(1);
  const made = `${names[0]}\n`;
  expect(site.made('made')).toEqual({ node1: made, node2: made });
  expect((await get('/v3/batches')).batches).toMatchObject([
    { result: 'success', session_name: names[0], size: 2, configuration_limit: '0' },
  ]);
}, 240_000);
