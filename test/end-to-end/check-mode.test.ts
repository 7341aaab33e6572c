import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { openSite, type Site } from './site.js';

let site: Site;
beforeAll(async () => {
  site = await openSite();
});
afterAll(() => site.close());

/** Its shell task would leave a trace if anything ran for real. */
const playbook = (text: string) => `- hosts: lab
  tasks:
    - name: greet
      copy:
        content: "${text}\\n"
        dest: "{{ ansible_env.KEELSON_WORLD }}/greeting"
    - shell: echo ran >> "$KEELSON_WORLD/ran"
`;

const nothing = { node1: undefined, node2: undefined };

test('a check says what would change and changes nothing; applying it changes exactly that, or nothing', async () => {
  const repository = site.repository({ 'site.yml': playbook('hello') });
  const layer = { clone_url: repository.url, branch: 'main', playbook: 'site.yml' };
  const ids = ['node1', 'node2'];
  for (const id of ids)
    await site.ask('PUT', `/v3/components/${id}`, { desired_config: 'checked', state: [] });
  const ended = await site.run('checked', [layer], { check_mode: true });
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

  const apply = (name: string) => site.ask('POST', `/v3/sessions/checked/apply`, { name });
  expect(await apply('real')).toMatchObject({ status: 201 });
  // A commit after the request to apply was accepted is not applied.
  repository.addCommit({ files: { 'site.yml': playbook('bye') } });
  await site.configure('checked', [layer]);
  expect(await site.whenOver('real')).toMatchObject({ succeeded: 'true', message: null });
  expect(site.made('greeting')).toEqual({ node1: 'hello\n', node2: 'hello\n' });
  expect(await site.log('real', 'inventory')).toMatch(/^Applies what session checked has checked/);
  expect((await site.ask('GET', '/v3/components/node1?state_details=true')).body).toMatchObject({
    state: [{ commit: repository.commit }],
  });
  const refused = await apply('late');
  expect([refused.status, (refused.body as { detail: string }).detail]).toEqual([
    409,
    expect.stringMatching(
      /^This is no longer what session checked checked: layer 0 was .* Run a new check\.$/,
    ),
  ]);
});
