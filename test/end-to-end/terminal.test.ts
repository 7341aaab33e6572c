import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { startKeelson } from '../cli/keelson.js';
import { waitFor } from '../support/wait.js';
import { openSite, renderPlaybook, writes, type Site } from './site.js';

let site: Site;
beforeAll(async () => {
  site = await openSite();
});
afterAll(() => site.close());

describe('keelson run --follow', () => {
  test('prints the whole log of a session although the API dies meanwhile, and ends as the session does', async () => {
    const go = join(site.directory, 'go-on');
    const tasks = [
      `name: Before\n${writes('before', 'x')}`,
      `name: Wait\nshell: while [ ! -e ${go} ]; do sleep 0.1; done`,
      "name: After\nfail: {msg: on purpose}\nwhen: inventory_hostname == 'node2'",
    ];
    await site.configure('followed', [site.layer({ 'site.yml': renderPlaybook(...tasks) })]);
    const words = ['run', 'followed', '--name', 'followed', '--follow'];
    const following = startKeelson(site.url, words);
    await waitFor(() => following.out().includes('changed: [node2]'), { what: 'a task' });
    await site.api.kill();
    await waitFor(() => following.err().includes('Waiting to connect'), { what: 'it to notice' });
    writeFileSync(go, '');
    await site.api.start();

    const { code, text, err } = await following.ended;
    const log = String((await site.ask('GET', '/v3/sessions/followed/logs')).body);
    expect(text.slice(0, log.length)).toBe(log);
    const report = text.slice(log.length);
    expect(report).toMatch(/^\nSession followed TASK_FAILED\n/);
    expect(report).toMatch(/ host +node2\n {2}task +After\n {2}message .*on purpose/);
    expect(report).toMatch(/\n {2}ansible-0 +node2 +\d.* After\n$/);
    expect(err).toMatch(/^Session followed was started\.\n.*\nConnected again\.\n$/);
    expect(code).toBe(1);
    await site.whenOver('followed');
  });
});
