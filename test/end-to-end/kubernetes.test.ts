import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { CoreV1Api } from '@kubernetes/client-node';
import { describeCluster, loadConfig } from '../runner/kubernetes-harness.js';
import { waitFor } from '../support/wait.js';
import { openKubernetesSite, type KubernetesSite } from './kubernetes-site.js';
import { renderPlaybook, writes } from './site.js';

const PHASES = [
  'git-clone-0',
  'git-clone-1',
  'git-clone-hosts',
  'inventory',
  'ansible-0',
  'ansible-1',
];
const MINUTES = 60_000;
const whoami = "{{ lookup('env', 'SESSION_NAME') }}";
/** Runs on the first host only, until a test lets it end. */
const gated = renderPlaybook(
  writes('begun', whoami),
  `shell: while [ ! -e "$KEELSON_WORLD/go-${whoami}" ]; do sleep 0.2; done`,
  writes('ended', whoami),
);

describeCluster('a session on Kubernetes', () => {
  let site: KubernetesSite;
  beforeAll(async () => {
    site = await openKubernetesSite();
  });
  afterAll(() => site.close());

  const letGo = (name: string) => {
    for (const { directory } of site.hosts) writeFileSync(join(directory, `go-${name}`), '');
  };
  const timesIn = (file: string, name: string) =>
    Object.values(site.made(file)).map(
      (text) => text?.split('\n').filter((line) => line === name).length,
    );

  test(
    'succeeds on hosts over SSH, phase by phase, and the stored logs are those of the pod',
    async () => {
      const first = await site.httpLayer({ 'site.yml': renderPlaybook(writes('made', 'first')) });
      const second = await site.httpLayer({ 'site.yml': renderPlaybook(writes('made', 'second')) });
      await site.begin('two', [first, second], 'git-clone-0');
      expect(await site.whenComplete('two')).toMatchObject({ succeeded: 'true', reason: null });
      expect(Object.values(site.made('made'))).toEqual(['first\nsecond\n', 'first\nsecond\n']);
      const phases = await site.phases('two');
      expect(phases.map(({ name, exit_code }) => [name, exit_code])).toEqual(
        PHASES.map((name) => [name, 0]),
      );
      for (const phase of PHASES)
        expect(await site.log('two', phase)).toBe(await site.podLog('two', phase));
      expect(await site.countSecrets()).toBe(0);
    },
    4 * MINUTES,
  );

  test(
    'names the task that failed and its host, and runs no later layer',
    async () => {
      const failing = await site.httpLayer({
        'site.yml': renderPlaybook('name: Break it\nshell: echo broken >&2; exit 7'),
      });
      const never = await site.httpLayer({ 'site.yml': renderPlaybook(writes('never', 'ran')) });
      await site.begin('failing', [failing, never], 'git-clone-0');
      expect(await site.whenComplete('failing')).toMatchObject({
        succeeded: 'false',
        reason: 'TASK_FAILED',
        phase: 'ansible-0',
        task: 'Break it',
      });
      expect(Object.values(site.made('never'))).toEqual([undefined, undefined]);
    },
    4 * MINUTES,
  );

  test(
    'is retried without the layer that is done and the host that has the next one',
    async () => {
      const done = await site.httpLayer({ 'site.yml': renderPlaybook(writes('base', 'x')) });
      const broken = "fail: {msg: not yet}\nwhen: inventory_hostname == 'node2'";
      const next = await site.httpLayer({
        'site.yml': renderPlaybook(broken, writes('next', 'x')),
      });
      await site.begin('tried', [done, next], 'git-clone-0');
      expect(await site.whenComplete('tried')).toMatchObject({ reason: 'TASK_FAILED' });
      expect((await site.ask('POST', '/v3/sessions/tried/retry')).status).toBe(201);
      expect(await site.whenComplete('tried-retry-1')).toMatchObject({ host: 'node2' });
      expect((await site.phases('tried-retry-1')).map(({ name }) => name)).toEqual([
        ...['git-clone-1', 'git-clone-hosts', 'inventory', 'ansible-1'],
      ]);
      expect(await site.log('tried-retry-1', 'ansible-1')).toContain('left out: 1, others: 1.');
      expect(site.made('base')).toEqual({ node1: 'x\n', node2: 'x\n' });
      expect(site.made('next')).toEqual({ node1: 'x\n', node2: undefined });
    },
    4 * MINUTES,
  );

  test(
    'is cancelled while a playbook runs, and keeps its log',
    async () => {
      const layer = await site.httpLayer({ 'site.yml': gated });
      await site.begin('cancelled', [layer], 'ansible-0');
      await waitFor(async () => (await site.log('cancelled', 'ansible-0')).includes('TASK'), {
        what: 'a task to begin',
      });
      const { status } = await site.ask('POST', '/v3/sessions/cancelled/cancel', {});
      expect(status).toBe(202);
      expect(await site.whenComplete('cancelled')).toMatchObject({
        succeeded: 'false',
        reason: 'CANCELLED',
        phase: 'ansible-0',
      });
      const log = await site.log('cancelled', 'ansible-0');
      expect(log).toContain('The phase was ended: stopped.');
      expect(log).toBe(await site.podLog('cancelled', 'ansible-0'));
      expect(await site.countSecrets()).toBe(0);
    },
    4 * MINUTES,
  );

  test(
    'says that its node was drained, and keeps its log',
    async () => {
      const layer = await site.httpLayer({ 'site.yml': gated });
      await site.begin('drained', [layer], 'ansible-0');
      await waitFor(async () => (await site.log('drained', 'ansible-0')).includes('TASK'), {
        what: 'a task to begin',
      });
      const pod = await site.findPod('drained');
      const metadata = { name: pod?.metadata?.name ?? '', namespace: site.namespace };
      // What `kubectl drain` requests for each pod of a node.
      await loadConfig()
        .makeApiClient(CoreV1Api)
        .createNamespacedPodEviction({ ...metadata, body: { metadata } });
      expect(await site.whenComplete('drained')).toMatchObject({
        succeeded: 'false',
        reason: 'EVICTED',
        phase: 'ansible-0',
      });
      expect(await site.log('drained', 'ansible-0')).toContain('The phase was ended: stopped.');
      expect(await site.countSecrets()).toBe(0);
    },
    4 * MINUTES,
  );

  test(
    'is held if a playbook fails, says how to look at it, and ends by the same file as in CFS',
    async () => {
      const layer = await site.httpLayer({ 'site.yml': renderPlaybook('fail: {}') });
      await site.begin('held', [layer], 'git-clone-0', { debug_on_failure: true });
      const log = () => site.log('held', 'ansible-0');
      await waitFor(async () => (await log()).includes('Held for debugging'), {
        what: 'the hold',
      });
      const pod = await site.findPod('held');
      expect(await log()).toContain(
        `kubectl exec -it -n ${site.namespace} ${pod?.metadata?.name} -c ansible-0 -- sh /inventory/shell-ansible-0`,
      );
      await site.execute('held', 'ansible-0', [
        ...['sh', '/inventory/shell-ansible-0', '-c'],
        'ansible-playbook --version > /dev/null && touch /tmp/complete',
      ]);
      expect(await site.whenComplete('held')).toMatchObject({ reason: 'TASK_FAILED' });
      expect(await log()).toContain('The hold has ended: the file was created.');
    },
    4 * MINUTES,
  );

  test(
    'runs a playbook again that was corrected in its pod, and then the next layer',
    async () => {
      const layers = [
        await site.httpLayer({ 'site.yml': renderPlaybook('fail: {}') }),
        await site.httpLayer({ 'site.yml': renderPlaybook('debug: {}') }),
      ];
      await site.begin('mended', layers, 'git-clone-0', { debug_on_failure: true });
      const log = () => site.log('mended', 'ansible-0');
      await waitFor(async () => (await log()).includes('Held for debugging'), {
        what: 'the hold',
      });
      await site.execute('mended', 'ansible-0', [
        ...['sh', '-c'],
        'sed -i "s/fail:/debug:/" /inventory/layer0/site.yml && touch /tmp/rerun',
      ]);
      expect(await site.whenComplete('mended')).toMatchObject({
        succeeded: 'true',
        message: expect.stringContaining('not those of the recorded commit: ansible-0'),
      });
      expect(await log()).toMatch(
        /ansible-0 begins again, .*: layer0, at commit [0-9a-f]{40} with changes in site\.yml\./,
      );
      expect(await site.log('mended', 'ansible-1')).toContain('ok=1');
    },
    4 * MINUTES,
  );

  test(
    'survives the death of the worker during its playbook, and runs it once',
    async () => {
      const layer = await site.httpLayer({ 'site.yml': gated });
      await site.begin('killed', [layer], 'ansible-0');
      await waitFor(() => timesIn('begun', 'killed').every((times) => times === 1), {
        what: 'both hosts to have begun',
      });
      await site.worker.kill();
      letGo('killed');
      await site.worker.start();
      expect(await site.whenComplete('killed')).toMatchObject({ succeeded: 'true' });
      expect(timesIn('begun', 'killed')).toEqual([1, 1]);
      expect(timesIn('ended', 'killed')).toEqual([1, 1]);
    },
    4 * MINUTES,
  );

  test(
    'runs to its end while the API is away, and loses nothing of its log',
    async () => {
      const layer = await site.httpLayer({ 'site.yml': renderPlaybook(writes('away', whoami)) });
      await site.ask('PATCH', '/v3/options', { report_wait: 1 });
      await site.begin('away', [layer], 'git-clone-0');
      await site.api.kill();
      await waitFor(async () => (await site.findPod('away'))?.status?.phase === 'Succeeded', {
        timeoutMs: 3 * MINUTES,
        what: 'the pod to succeed',
      });
      await site.api.start();
      expect(await site.whenComplete('away')).toMatchObject({ succeeded: 'true', reason: null });
      const log = await site.log('away', 'ansible-0');
      expect(log).toBe(await site.podLog('away', 'ansible-0'));
      expect(log).toMatch(/keelson-report:/);
      const { body } = await site.ask('GET', '/v3/sessions/away/hosts');
      expect((body as { hosts: object[] }).hosts).toHaveLength(2);
    },
    5 * MINUTES,
  );

  test(
    'is lost if its pod is deleted, and says so',
    async () => {
      const layer = await site.httpLayer({ 'site.yml': gated });
      await site.begin('deleted', [layer], 'ansible-0');
      const pod = await site.findPod('deleted');
      const name = pod?.metadata?.name ?? '';
      await site.core.deleteNamespacedPod({ namespace: site.namespace, name });
      expect(await site.whenComplete('deleted')).toMatchObject({
        succeeded: 'unknown',
        reason: 'JOB_LOST',
        phase: 'ansible-0',
      });
    },
    4 * MINUTES,
  );
});
