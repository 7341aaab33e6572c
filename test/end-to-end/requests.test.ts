import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { openSite, renderPlay, renderPlaybook, writes, type Layer, type Site } from './site.js';

let site: Site;
let layers: readonly (Layer & { readonly name: string })[];
beforeAll(async () => {
  site = await openSite();
  const session = "{{ lookup('env', 'SESSION_NAME') }}";
  layers = ['base', 'größe 2'].map((name, index) => ({
    name,
    ...site.layer({ 'site.yml': renderPlaybook(writes(session, `layer ${index}`)) }),
  }));
});
afterAll(() => site.close());

const onBoth = (text: string) => ({ node1: text, node2: text });

describe('a limit of layers', () => {
  test.each([
    ['a name', 'größe 2', 'layer 1\n'],
    ['an index', '0', 'layer 0\n'],
    ['both, in the configuration’s order', 'größe 2,0', 'layer 0\nlayer 1\n'],
  ])('by %s runs those', async (_, limit, made) => {
    const name = `limit-${layers.findIndex(({ name }) => name === limit)}-${limit.length}`;
    const ended = await site.run(name, layers, { configuration_limit: limit });
    expect(ended).toMatchObject({ succeeded: 'true' });
    expect(site.made(name)).toEqual(onBoth(made));
  });

  test('that names no layer fails, and lists the layers', async () => {
    const ended = await site.run('limit-unknown', layers, { configuration_limit: 'bas' });
    expect(ended).toMatchObject({ succeeded: 'false', reason: 'PLAYBOOK_ERROR' });
    expect(ended.message).toMatch(/no layer "bas".*0 \(base\), 1 \(größe 2\)/);
    expect(site.made('limit-unknown')).toEqual({});
  });
});

describe('targets', () => {
  test('spec: the groups of the request, and no others', async () => {
    const layer = site.layer({ 'site.yml': renderPlay('chosen', writes('chosen', 'x')) });
    const target = { definition: 'spec', groups: [{ name: 'chosen', members: ['node2'] }] };
    expect(await site.run('spec', [layer], { target })).toMatchObject({ succeeded: 'true' });
    expect(site.made('chosen')).toEqual({ node2: 'x\n' });
    const history = await (
      await site.temporalClient()
    ).workflow
      .getHandle((await site.find('spec')).status.session.job ?? '')
      .describe();
    expect(await history.staticSummary()).toBe('spec: spec → spec');
  });

  test('repo: the additional inventory alone', async () => {
    const play = renderPlay('all', writes('repo', "{{ 'lab' in groups }}"));
    const ended = await site.run('repo', [site.layer({ 'site.yml': play })], {
      target: { definition: 'repo' },
    });
    expect(ended).toMatchObject({ succeeded: 'true' });
    expect(site.made('repo')).toEqual(onBoth('False\n'));
  });

  test('a limit of hosts', async () => {
    const ended = await site.run('hosts', layers, { ansible_limit: 'lab,!node1,nowhere' });
    expect(ended).toMatchObject({
      ...{ succeeded: 'true', reason: null },
      message: 'Left out, because the inventory has no host of that name: nowhere.',
    });
    expect(site.made('hosts')).toEqual({ node2: 'layer 0\nlayer 1\n' });
    expect((await site.ask('GET', '/v3/sessions/hosts/hosts?phase=inventory')).body).toMatchObject({
      hosts: [{ host: 'nowhere', ok: 0, message: expect.stringContaining('inventory') }],
    });
  });
});

describe('arguments for Ansible', () => {
  test('passthrough honours quotes and cannot run a shell command', async () => {
    const task = 'shell: printf %s {{ words | quote }} > "$KEELSON_WORLD/words"';
    const layer = site.layer({ 'site.yml': renderPlaybook(task) });
    const passthrough = `-e '{"words": "two  words; $(id) \\"q\\""}' -e other=1`;
    const ended = await site.run('passthrough', [layer], { ansible_passthrough: passthrough });
    expect(ended).toMatchObject({ succeeded: 'true', message: null });
    expect(site.made('words')).toEqual(onBoth('two  words; $(id) "q"'));
  });

  test('verbosity shows in the log', async () => {
    const layer = site.layer({ 'site.yml': renderPlaybook(writes('loud', 'x')) });
    expect(await site.run('loud', [layer], { ansible_verbosity: 2 })).toMatchObject({
      succeeded: 'true',
    });
    expect(await site.log('loud', 'ansible-0')).toMatch(/PLAYBOOK: site\.yml/);
    expect(await site.run('quiet', [layer])).toMatchObject({ succeeded: 'true' });
    expect(await site.log('quiet', 'ansible-0')).not.toMatch(/PLAYBOOK: site\.yml/);
  });
});

describe('built-in playbooks', () => {
  const lab = {
    definition: 'spec',
    groups: [{ name: 'lab', members: ['node1', 'node2'] }],
  };
  const start = async (playbook: string) => {
    const { url } = site.inventory;
    await site.ask('PATCH', '/v3/options', { additional_inventory_url: url });
    const name = playbook.replace('_', '-');
    await site.submit(name, { configuration_name: playbook, target: lab });
    return site.whenOver(name);
  };

  test('debug_noop does nothing and succeeds', async () => {
    expect(await start('debug_noop')).toMatchObject({ succeeded: 'true', reason: 'NO_HOSTS' });
  });

  test('debug_fail fails', async () => {
    expect(await start('debug_fail')).toMatchObject({
      succeeded: 'false',
      reason: 'TASK_FAILED',
      phase: 'ansible-0',
      task: 'Fail',
    });
  });

  test('debug_facts asks every host', async () => {
    expect(await start('debug_facts')).toMatchObject({ succeeded: 'true', reason: null });
    const { body } = await site.ask('GET', '/v3/sessions/debug-facts/hosts');
    expect(body).toMatchObject({
      hosts: [
        { host: 'node1', ok: 2, failed: 0 },
        { host: 'node2', ok: 2, failed: 0 },
      ],
    });
  });
});
