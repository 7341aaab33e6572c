import { afterEach, describe, expect, it, test } from '@jest/globals';
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { createServer } from 'node:https';
import { join } from 'node:path';
import { listen, stopListening } from '../support/listen.js';
import { createPlaybookJob, HAS_ANSIBLE, readResults } from './ansible-plan.js';
import { PROJECT, type TestJob } from './harness.js';

const jobs: TestJob[] = [];
afterEach(() => jobs.splice(0).forEach((job) => job.remove()));

async function runWith(
  config: string,
  files: Record<string, string> = {},
): Promise<{ exitCode: number | null | undefined; log: string; job: TestJob }> {
  const playbook = `- hosts: x1
  gather_facts: false
  tasks:
    - debug: msg="user={{ lookup('config', 'DEFAULT_REMOTE_USER') }}"
    - debug: msg="key={{ lookup('config', 'DEFAULT_PRIVATE_KEY_FILE') }}"
    - debug: msg="limit={{ lookup('config', 'TASK_TIMEOUT') }}."
`;
  const job = createPlaybookJob({
    phase: { host_silent_limit_seconds: 900 },
    files: {
      'workspace/layer0/site.yml': playbook,
      'workspace/ssh/id_ecdsa': 'a key',
      'workspace/ansible.cfg': config,
      ...files,
    },
  });
  jobs.push(job);
  await job.run();
  return { exitCode: job.phase('ansible-0')?.exit_code, log: job.log('ansible-0'), job };
}

const CALLBACK = `from ansible.plugins.callback import CallbackBase

class CallbackModule(CallbackBase):
    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "notification"
    CALLBACK_NAME = "site"
    CALLBACK_NEEDS_ENABLED = True

    def v2_playbook_on_stats(self, stats):
        self._display.display("heard by the site's callback")
`;
const STRATEGY = `from ansible.plugins.strategy.linear import StrategyModule as Linear

class StrategyModule(Linear):
    def run(self, iterator, play_context):
        print("run by the site's strategy", flush=True)
        return super().run(iterator, play_context)
`;

(HAS_ANSIBLE ? describe : describe.skip)("a site's ansible.cfg", () => {
  it('keeps its callbacks, plugin paths, user, key and limit of tasks', async () => {
    const { exitCode, log, job } = await runWith(
      `[defaults]
callbacks_enabled = site ; and a comment
callback_plugins = callbacks
strategy_plugins = ./strategies:/does/not/exist
strategy = own
remote_user = admin
private_key_file = /site/key
task_timeout = 60
`,
      { 'workspace/callbacks/site.py': CALLBACK, 'workspace/strategies/own.py': STRATEGY },
    );
    expect({ exitCode, log }).toMatchObject({ exitCode: 0 });
    expect(log).toContain("heard by the site's callback");
    expect(log).toContain("run by the site's strategy");
    expect(log).toContain('user=admin');
    expect(log).toContain('key=/site/key');
    expect(log).toContain('limit=60.');
    expect(readResults(job)).toMatchObject([{ host: 'x1', ok: 3 }]);
  });

  it('may list its callbacks under either name, and have cfs_free', async () => {
    for (const key of ['callbacks_enabled', 'callback_whitelist']) {
      const { exitCode, log } = await runWith(
        `[defaults]\n${key} = cfs_aggregator, site\ncallback_plugins = callbacks\nstrategy = cfs_free\n`,
        { 'workspace/callbacks/site.py': CALLBACK },
      );
      expect({ exitCode, log }).toMatchObject({ exitCode: 0 });
      expect(log).not.toContain('unable to load');
      expect(log).toContain("heard by the site's callback");
      expect(log).toContain('user=root');
      expect(log).toContain('limit=900.');
    }
  });

  it('that cannot be read is named, and no phase continues without it', async () => {
    const { job } = await runWith('[defaults\nforks = 5\n');
    expect(job.phase('inventory')).toMatchObject({ exit_code: 73 });
    expect(job.log('inventory')).toMatch(/^ERROR! ansible.cfg cannot be read: /);
  });
});

(HAS_ANSIBLE ? test : test.skip)("tasks on localhost trust a pod's authority", async () => {
  const read = (name: string) => readFileSync(join(PROJECT, 'test/fixtures/tls', name));
  const options = { cert: read('loopback.crt'), key: read('loopback.key') };
  const server = createServer(options, (_, response) => response.end('served'));
  const port = await listen(server);
  const job = createPlaybookJob({
    environment: { SSL_CAINFO: join(PROJECT, 'test/fixtures/tls/loopback.crt') },
    files: {
      'workspace/layer0/site.yml': `- hosts: x1
  gather_facts: false
  tasks: [{ uri: { url: "https://127.0.0.1:${port}" } }]
`,
    },
  });
  jobs.push(job);
  await job.run().finally(() => stopListening(server));
  const { exit_code: code } = job.phase('ansible-0') ?? {};
  expect({ code, log: job.log('ansible-0') }).toMatchObject({ code: 0 });
});

describe('component state', () => {
  it.each([
    ['callbacks_enabled = a, cfs_aggregator', true, 'True'],
    ['callback_whitelist = cfs_aggregator', true, 'True'],
    ['callbacks_enabled = a\ncallback_whitelist = cfs_aggregator', true, 'True'],
    ['callbacks_enabled = a', true, 'False'],
    ['forks = 5', true, 'False'],
    ['callbacks_enabled = cfs_aggregator', false, 'False'],
  ])('%s and records_state %p: %s', (line, wanted, answer) => {
    const job = createPlaybookJob({
      phase: { records_state: wanted },
      files: { 'workspace/ansible.cfg': `[defaults]\n${line}\n` },
    });
    jobs.push(job);
    const script = `import sys
from pathlib import Path
from job.context import Context
from job.directory import JobDirectory
from job.plan import read_job
from job.settings import AnsibleConfig, records_state
directory = JobDirectory(Path(sys.argv[1]))
job = read_job(directory.plan)
config = AnsibleConfig(directory.workspace / "ansible.cfg")
print(records_state(Context(directory, job, job.phase("ansible-0")), config))`;
    const said = execFileSync('python3', ['-c', script, job.directory], { cwd: PROJECT });
    expect(said.toString().trim()).toBe(answer);
  });
});
