import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { openSite, type Site } from './site.js';

let site: Site;
beforeAll(async () => {
  site = await openSite();
});
afterAll(() => site.close());

/** Its shell is what would be seen if anything ran for real. */
const playbook = (text: string) => `- hosts: lab
  tasks:
    - name: greet
      copy:
        content: "${text}\\n"
        dest: "{{ ansible_env.KEELSON_WORLD }}/greeting"
    - shell: echo ran >> "$KEELSON_WORLD/ran"
`;

const nothing = { node1: undefined, node2: undefined };

test('a check tells what would change, and changes nothing', async () => {
  const ids = ['node1', 'node2'];
  for (const id of ids)
    await site.ask('PUT', `/v3/components/${id}`, { desired_config: 'checked', state: [] });
  const ended = await site.run('checked', [site.layer({ 'site.yml': playbook('hello') })], {
    check_mode: true,
  });
  expect(ended).toMatchObject({
    succeeded: 'true',
    reason: null,
    message: 'Check mode: nothing was applied. The log has what would change.',
  });
  expect(site.made('greeting')).toEqual(nothing);
  expect(site.made('ran')).toEqual(nothing);
  const log = await site.log('checked', 'ansible-0');
  expect(log).toMatch(/^\s*DRY RUN \*+\n/);
  expect(log).toMatch(/TASK \[greet\] \[CHECK MODE\]/);
  expect(log).toContain('+hello\n');
  expect(await site.log('checked', 'git-clone-0')).toMatch(/^Check mode: /);
  expect(await site.log('checked', 'inventory')).toMatch(/^Check mode \(--check --diff\): /);
  const { body } = await site.ask('GET', '/v3/sessions/checked/hosts');
  expect(body).toMatchObject({
    hosts: ids.map((host) => ({ host, changed: 1, failed: 0 })),
  });
  for (const id of ids)
    expect((await site.ask('GET', `/v3/components/${id}?state_details=true`)).body).toMatchObject({
      ...{ state: [], error_count: 0, configuration_status: 'pending' },
    });
});
