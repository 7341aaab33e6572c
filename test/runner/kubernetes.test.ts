import { afterAll, afterEach, beforeAll, describe, expect, test } from '@jest/globals';
import {
  BatchV1Api,
  PatchStrategy,
  setHeaderOptions,
  type V1JobSpec,
  type V1Pod,
  type V1Secret,
} from '@kubernetes/client-node';
import { createKubernetesApi, type KubernetesApi } from '../../src/runner/kubernetes-api.js';
import { prepareJob } from '../../src/runner/kubernetes-launch.js';
import { toToldLog } from '../../src/runner/pod-record.js';
import type { Launch } from '../../src/runner/runner.js';
import {
  aCommand,
  aLaunch,
  aScript,
  awaitAll,
  launch,
  never,
  readLog,
  waitForOutput,
  EXITED_0,
  SKIPPED,
  STOPPED,
} from '../contract/runner-jobs.js';
import { openPodWebhook } from '../support/pod-webhook.js';
import { waitFor } from '../support/wait.js';
import {
  createKubernetesHarness,
  describeCluster,
  IMAGE,
  toSettings,
  type KubernetesHarness,
} from './kubernetes-harness.js';

const isWhole = process.env['KUBERNETES_LOAD'] === 'all';

describeCluster('the Kubernetes runner', () => {
  let harness: KubernetesHarness;
  const others: KubernetesHarness[] = [];
  beforeAll(async () => {
    harness = await createKubernetesHarness();
  });
  afterEach(() => {
    for (const other of others.splice(0)) other.runner.close();
  });
  afterAll(() => harness.close());

  /** Another runner for the same namespace, as in another worker. */
  const another = async (settings: string, image?: string) => {
    const other = await createKubernetesHarness({
      settings,
      namespace: harness.namespace,
      ...(image === undefined ? {} : { image }),
    });
    others.push(other);
    return other.runner;
  };
  const findPod = async (jobId: string) => {
    const { items } = await harness.core.listNamespacedPod({
      namespace: harness.namespace,
      labelSelector: `keelson/job=${jobId}`,
    });
    return items[0];
  };
  const findJob = (name: string) =>
    harness.config.makeApiClient(BatchV1Api).readNamespacedJob({
      namespace: harness.namespace,
      name,
    });
  const countSecrets = async (jobId: string) => {
    const { items } = await harness.core.listNamespacedSecret({
      namespace: harness.namespace,
      labelSelector: `keelson/job=${jobId}`,
    });
    return items.length;
  };

  /** Prepares the launch with an API of which some requests are replaced. */
  function prepareWith(given: Launch, replace: (api: KubernetesApi) => Partial<KubernetesApi>) {
    const { config, namespace } = harness;
    const api = createKubernetesApi(config, namespace, 'test');
    const surroundings = { namespace, deploymentId: 'test', gitProtocols: 'http' };
    const options = { ...surroundings, settings: toSettings(), jobSource: process.cwd() };
    return prepareJob({ ...options, api: { ...api, ...replace(api) } }, given, never);
  }

  /** Prepares the launch, and calls `act` before the request for the Secret with this index. */
  function prepareAround(act: () => Promise<unknown>, position: number, given: Launch) {
    let asked = 0;
    return prepareWith(given, (api) => ({
      async createSecret(secret, signal) {
        if (asked++ === position) await act();
        return api.createSecret(secret, signal);
      },
    }));
  }

  /** Prepares the launch. The Job is created with these changes, as by a webhook. */
  const prepareChanged = (given: Launch, changes: Partial<V1JobSpec>) =>
    prepareWith(given, (api) => ({
      createJob: (job, signal) =>
        api.createJob(
          Object.assign({}, job, { spec: Object.assign({}, job.spec, changes) }),
          signal,
        ),
    }));

  async function dieInPreparation(given: Launch, position: number): Promise<void> {
    const die = () => Promise.reject(new Error('dead'));
    await expect(prepareAround(die, position, given)).rejects.toThrow('dead');
  }

  test.each([0, 1])(
    'completes a launch that somebody died in, who had made %i Secrets',
    async (count) => {
      const { runner } = harness;
      const given = aLaunch([aScript('one', 'cat /run/keelson/secrets/token | wc -c')]);
      const { jobId } = given.job;
      await dieInPreparation(given, count);
      expect(await countSecrets(jobId)).toBe(count);
      const prepared = await runner.find(jobId, never);
      expect(await launch(runner, given)).toBe(prepared?.incarnation);
      expect(await awaitAll(runner, given)).toEqual([EXITED_0]);
      expect((await readLog(runner, jobId, 'one')).toString()).toBe('17\n');
    },
  );

  test('keeps a launch that another worker prepared with other content', async () => {
    const given = aLaunch([aScript('one', 'wc -c < /run/keelson/secrets/vault-token')]);
    const first = await harness.runner.prepare({ ...given, vaultToken: 'first' }, never);
    expect(await harness.runner.prepare({ ...given, vaultToken: 'second' }, never)).toBe(first);
    await harness.runner.release(given.job.jobId, first, never);
    expect(await awaitAll(harness.runner, given)).toEqual([EXITED_0]);
    expect((await readLog(harness.runner, given.job.jobId, 'one')).toString()).toBe('5\n');
  });

  test('leaves a launch to a worker that has started it over meanwhile', async () => {
    const given = aLaunch([aScript('one', 'true')]);
    let anew = '';
    const begin = async () => {
      anew = await harness.runner.prepare({ ...given, vaultToken: 'another' }, never);
    };
    await expect(prepareAround(begin, 1, given)).rejects.toMatchObject({ fault: 'unavailable' });
    expect(await prepareAround(() => Promise.resolve(), 0, given)).toBe(anew);
    expect(await launch(harness.runner, given)).toBe(anew);
    expect(await awaitAll(harness.runner, given)).toEqual([EXITED_0]);
  });

  describe('starts an interrupted launch over if', () => {
    const bytes = (size: number) => new Uint8Array(size).fill(size % 251);
    const inventory = bytes(1_500_000);
    const launchNotes = bytes(100);

    test.each<[string, number, Partial<Launch>, Partial<Launch>]>([
      ['files were more', 2, { files: { inventory, 'launch-notes': launchNotes } }, { files: {} }],
      ['files were fewer', 1, { files: {} }, { files: { inventory } }],
      [
        'a file was another',
        2,
        { files: { inventory: bytes(1_500_001) } },
        { files: { inventory } },
      ],
      ['there was a token for Vault', 1, { vaultToken: 'vault-token-of-then' }, {}],
    ])('%s', async (_, made, then, now) => {
      const { runner } = harness;
      const script = 'cat /run/keelson/secrets/* | wc -c';
      const given = { ...aLaunch([aScript('one', script)], { podPendingSeconds: 5 }), ...now };
      const { jobId } = given.job;
      await dieInPreparation({ ...given, ...then }, made);
      await launch(runner, given);
      expect(await awaitAll(runner, given)).toEqual([EXITED_0]);
      expect((await readLog(runner, jobId, 'one')).toString()).toBe('17\n');
      const content = (await readMounted(jobId))
        .flatMap(({ data }) => Object.entries(data ?? {}))
        .filter(([key]) => key.startsWith('inventory'))
        .map(([, base64]) => Buffer.from(base64, 'base64'));
      expect(Buffer.concat(content).equals(given.files['inventory'] ?? bytes(0))).toBe(true);
    });

    /** The Secrets of staged files, as the pod mounts them. */
    async function readMounted(jobId: string): Promise<readonly V1Secret[]> {
      const { core, config, namespace } = harness;
      const batch = config.makeApiClient(BatchV1Api);
      const { spec } = await batch.readNamespacedJob({ namespace, name: jobId });
      const volume = spec?.template.spec?.volumes?.find(({ name }) => name === 'files');
      const names = volume?.projected?.sources?.map(({ secret }) => secret?.name ?? '') ?? [];
      return Promise.all(names.map((name) => core.readNamespacedSecret({ namespace, name })));
    }
  });

  test('refuses a Job of the same name that is not its own', async () => {
    const given = aLaunch([aScript('one', 'true')]);
    const { jobId } = given.job;
    await harness.config.makeApiClient(BatchV1Api).createNamespacedJob({
      namespace: harness.namespace,
      body: {
        metadata: { name: jobId },
        spec: {
          suspend: true,
          template: {
            spec: { restartPolicy: 'Never', containers: [{ name: 'one', image: 'none' }] },
          },
        },
      },
    });
    await expect(harness.runner.prepare(given, never)).rejects.toMatchObject({
      fault: 'conflict',
      message: expect.stringContaining(jobId),
    });
    expect(await harness.runner.find(jobId, never)).toBeUndefined();
    await harness.runner.stop(jobId, never);
    await harness.runner.remove(jobId, never);
  });

  test('keeps the Job after a stop, with its time, and takes the Secrets away', async () => {
    const given = aLaunch([aScript('one', 'echo ready; sleep 1000')]);
    const { jobId } = given.job;
    await launch(harness.runner, given);
    await waitForOutput(harness.runner, jobId, 'one', 'ready');
    expect(await countSecrets(jobId)).toBe(2);
    await harness.runner.stop(jobId, never);
    expect(await countSecrets(jobId)).toBe(0);
    const batch = harness.config.makeApiClient(BatchV1Api);
    const job = await batch.readNamespacedJob({ namespace: harness.namespace, name: jobId });
    expect(job.spec?.ttlSecondsAfterFinished).toBe(3600);
    expect(await awaitAll(harness.runner, given)).toEqual([STOPPED]);
  });

  test('tells another worker the same, from the objects in Kubernetes', async () => {
    const given = aLaunch([aScript('one', 'echo here'), aScript('two', 'exit 4')]);
    await launch(harness.runner, given);
    const results = await awaitAll(harness.runner, given);
    const other = await another('');
    expect(await awaitAll(other, given)).toEqual(results);
    expect((await readLog(other, given.job.jobId, 'one')).toString()).toBe('here\n');
  });

  test('still has host results of a phase when its pod is gone with its log', async () => {
    const hosts = [{ host: 'x1', ok: 1, changed: 0, failed: 0, skipped: 0, unreachable: 0 }];
    const script = `echo '${JSON.stringify({ hosts })}' > "$KEELSON_RESULTS"`;
    const given = aLaunch([aScript('one', script), aScript('two', 'true')]);
    const { jobId, phases } = given.job;
    const { runner, core, namespace } = harness;
    await launch(runner, given);
    expect(await awaitAll(runner, given)).toEqual([EXITED_0, EXITED_0]);
    const line = (await readLog(runner, jobId, 'one')).toString();
    const name = (await findPod(jobId))?.metadata?.name ?? '';
    await core.deleteNamespacedPod({ namespace, name });
    await waitFor(
      () =>
        readLog(runner, jobId, 'one').then(
          () => false,
          () => true,
        ),
      { what: 'the log to be gone' },
    );
    const [one, two] = await Promise.all(
      phases.map((phase) => runner.findResults(jobId, phase.name, never)),
    );
    expect(line).toBe(`keelson-report:${one}\n`);
    expect(two).toBeUndefined();
  });

  test('reports how much of a long log the kubelet has dropped, and returns the rest', async () => {
    // The kubelet checks every ten seconds whether a file is full.
    const given = aLaunch([aScript('one', 'seq 1 3000000; sleep 15')]);
    const { jobId } = given.job;
    await launch(harness.runner, given);
    expect(await awaitAll(harness.runner, given)).toEqual([EXITED_0]);
    const whole = Buffer.from(Array.from({ length: 3_000_000 }, (_, i) => `${i + 1}\n`).join(''));
    let lost = 0;
    const rest: Uint8Array[] = [];
    for await (const piece of harness.runner.readLog(jobId, 'one', 1000, never))
      if ('lostBytes' in piece) lost += piece.lostBytes;
      else rest.push(piece);
    const end = Buffer.concat(rest);
    expect(lost).toBeGreaterThan(0);
    expect(1000 + lost + end.length).toBe(whole.length);
    expect(whole.subarray(1000 + lost).equals(end)).toBe(true);
  });

  test('knows the results of very many phases, each of which has only a few bytes to report', async () => {
    // As many as a configuration of 100 layers with an additional inventory has.
    const rest = Array.from({ length: 201 }, (_, index) => aScript(`next-${index}`, 'true'));
    const given = aLaunch([aScript('one', 'echo here; sleep 1000', 1), ...rest]);
    const { jobId } = given.job;
    await launch(harness.runner, given);
    expect(await harness.runner.awaitPhase(jobId, 'one', never)).toMatchObject({
      kind: 'killed',
      reason: 'timeout',
    });
    expect(await harness.runner.awaitPhase(jobId, 'next-200', never)).toEqual(SKIPPED);
    const pod = await findPod(jobId);
    expect(pod && toToldLog(pod, 'one')?.bytes).toBe(
      (await readLog(harness.runner, jobId, 'one')).length,
    );
  });

  test('knows memory that ran out', async () => {
    const runner = await another('resources: { ansible: { limits: { memory: 48Mi } } }');
    const hungry = 'import time; x = bytearray(200 << 20); time.sleep(5)';
    const given = aLaunch([aCommand('one', ['python3', '-c', hungry]), aScript('two', 'true')]);
    await launch(runner, given);
    expect(await awaitAll(runner, given)).toEqual([
      expect.objectContaining({ kind: 'killed', reason: 'memory' }),
      SKIPPED,
    ]);
  });

  // The kubelet looks at the size of a workspace only once a minute. Not skipped, because CI takes a skip for a failure.
  if (isWhole) {
    test('knows a pod whose workspace is too large for its node, and says what the kubelet says', async () => {
      const runner = await another('workspace: { sizeLimit: 1Mi }');
      const script = 'head -c 20000000 /dev/zero > large; echo ready; sleep 1000';
      const given = aLaunch([aScript('one', script), aScript('two', 'true')]);
      await launch(runner, given);
      expect(await awaitAll(runner, given)).toEqual([
        expect.objectContaining({
          kind: 'killed',
          reason: 'evicted',
          message: expect.stringContaining('"workspace" exceeds the limit'),
        }),
        SKIPPED,
      ]);
    });
  }

  test('knows a pod that fits no node, says what the scheduler says, and leaves no pod', async () => {
    const runner = await another('resources: { ansible: { requests: { cpu: 1000 } } }');
    const given = aLaunch([aScript('one', 'true'), aScript('two', 'true')], {
      podPendingSeconds: 2,
    });
    await launch(runner, given);
    const { jobId } = given.job;
    expect(await runner.awaitPhase(jobId, 'one', never)).toEqual({
      kind: 'unstarted',
      reason: 'unschedulable',
      message: expect.stringMatching(
        /\(pod_pending_time_limit\)\. Make room on .*Insufficient cpu/,
      ),
    });
    await runner.stop(jobId, never);
    expect(await findPod(jobId)).toBeUndefined();
    expect(await awaitAll(runner, given)).toEqual([STOPPED, SKIPPED]);
    expect(await runner.find(jobId, never)).toMatchObject({ state: 'ended' });
  });

  test('knows an image that is not there', async () => {
    const runner = await another('', 'localhost/absent:1');
    const given = aLaunch([aScript('one', 'true')]);
    await launch(runner, given);
    expect(await runner.awaitPhase(given.job.jobId, 'one', never)).toEqual({
      kind: 'unstarted',
      reason: 'image-pull',
      message: expect.stringContaining('localhost/absent:1'),
    });
    await runner.stop(given.job.jobId, never);
  });

  test('names a Secret that is not there', async () => {
    const runner = await another('sshPrivateKey: { name: absent-key }');
    const given = aLaunch([aScript('one', 'true')], { podPendingSeconds: 3 });
    await launch(runner, given);
    expect(await runner.awaitPhase(given.job.jobId, 'one', never)).toEqual({
      kind: 'unstarted',
      reason: 'config',
      message: expect.stringContaining('absent-key'),
    });
    await runner.stop(given.job.jobId, never);
  });

  test('says that a quota allows no pod', async () => {
    const { core, namespace } = harness;
    await core.createNamespacedResourceQuota({
      namespace,
      body: { metadata: { name: 'none' }, spec: { hard: { pods: '0' } } },
    });
    try {
      await waitFor(
        async () =>
          (await core.readNamespacedResourceQuota({ namespace, name: 'none' })).status?.hard,
        { what: 'the quota' },
      );
      const given = aLaunch([aScript('one', 'true')], { podPendingSeconds: 3 });
      await launch(harness.runner, given);
      expect(await harness.runner.awaitPhase(given.job.jobId, 'one', never)).toEqual({
        kind: 'unstarted',
        reason: 'unschedulable',
        message: expect.stringContaining('exceeded quota'),
      });
      await harness.runner.stop(given.job.jobId, never);
      expect(await awaitAll(harness.runner, given)).toEqual([STOPPED]);
    } finally {
      await core.deleteNamespacedResourceQuota({ namespace, name: 'none' });
    }
  });

  /** The API server knows a webhook only a moment after it was created. */
  const launchUntil = (
    isChanged: (pod: V1Pod) => boolean,
    runner: KubernetesHarness['runner'],
    given: Launch,
  ) =>
    waitFor(
      async () => {
        const { jobId } = given.job;
        await launch(runner, given);
        if (isChanged(await waitFor(() => findPod(jobId), { what: 'the pod' }))) return true;
        await runner.remove(jobId, never);
        return false;
      },
      { what: 'a pod that a webhook has changed' },
    );

  test('refuses a pod into which a webhook put a sidecar, and names the annotation against it', async () => {
    const { config, namespace, hostAddress } = harness;
    const removeWebhook = await openPodWebhook({
      config,
      namespace,
      address: hostAddress,
      label: ['mesh', 'classic'],
      patch: [{ op: 'add', path: '/spec/containers/-', value: { name: 'proxy', image: IMAGE } }],
    });
    try {
      const runner = await another('labels: { mesh: classic }');
      const given = aLaunch([aScript('one', 'sleep 1000'), aScript('two', 'true')]);
      const { jobId } = given.job;
      await launchUntil(({ spec }) => spec?.containers.length === 2, runner, given);
      expect(await runner.awaitPhase(jobId, 'one', never)).toEqual({
        kind: 'unstarted',
        reason: 'unschedulable',
        message: expect.stringMatching(/^container proxy .*sidecar\.istio\.io\/inject: false/),
      });
      await runner.stop(jobId, never);
      const statuses = (await findPod(jobId))?.status?.containerStatuses ?? [];
      expect(statuses.filter(({ state }) => state?.waiting === undefined)).toEqual([]);
      expect(await runner.find(jobId, never)).toMatchObject({ state: 'ended' });
    } finally {
      await removeWebhook();
    }
  });

  test('names a container that a webhook put before the phases, and that fails', async () => {
    const { config, namespace, hostAddress } = harness;
    const command = ['sh', '-c', 'echo not permitted > /dev/termination-log; exit 3'];
    const removeWebhook = await openPodWebhook({
      config,
      namespace,
      address: hostAddress,
      label: ['mesh', 'init'],
      patch: [
        {
          op: 'add',
          path: '/spec/initContainers/0',
          value: { name: 'mesh-init', image: IMAGE, command },
        },
      ],
    });
    try {
      const runner = await another('labels: { mesh: init }');
      const given = aLaunch([aScript('one', 'true'), aScript('two', 'true')]);
      await launchUntil(({ spec }) => spec?.initContainers?.length === 2, runner, given);
      expect(await awaitAll(runner, given)).toEqual([
        {
          kind: 'unstarted',
          reason: 'config',
          message:
            'container mesh-init, which was put into its pod, ended with exit code 3: not permitted',
        },
        SKIPPED,
      ]);
    } finally {
      await removeWebhook();
    }
  });

  test('knows a pod that somebody deleted', async () => {
    const given = aLaunch([aScript('one', 'echo ready; sleep 1000'), aScript('two', 'true')]);
    const { jobId } = given.job;
    const { runner, core, namespace } = harness;
    await launch(runner, given);
    await waitForOutput(runner, jobId, 'one', 'ready');
    const pod = await findPod(jobId);
    await core.deleteNamespacedPod({ namespace, name: pod?.metadata?.name ?? '' });
    expect(await runner.awaitPhase(jobId, 'one', never)).toMatchObject({
      kind: 'killed',
      reason: expect.stringMatching(/^(stopped|lost)$/),
    });
  });

  test('knows a Job that a policy has given a deadline', async () => {
    const given = aLaunch([aScript('one', 'echo ready; sleep 1000'), aScript('two', 'true')]);
    const { jobId } = given.job;
    const { runner, namespace, config } = harness;
    await launch(runner, given);
    await waitForOutput(runner, jobId, 'one', 'ready');
    await config
      .makeApiClient(BatchV1Api)
      .patchNamespacedJob(
        { namespace, name: jobId, body: { spec: { activeDeadlineSeconds: 1 } } },
        setHeaderOptions('Content-Type', PatchStrategy.MergePatch),
      );
    expect(await awaitAll(runner, given)).toEqual([
      expect.objectContaining({ kind: 'killed', reason: 'timeout' }),
      SKIPPED,
    ]);
  });

  describe('runs no Job that a policy changed', () => {
    const onDisruption = [{ type: 'DisruptionTarget', status: 'True' }];
    test.each<[string, Partial<V1JobSpec>, string]>([
      [
        'to repeat what failed',
        { backoffLimit: 3 },
        'might run more than once: something, such as a policy of the cluster, has changed it to {"backoffLimit":3,',
      ],
      [
        'to repeat what was evicted',
        { podFailurePolicy: { rules: [{ action: 'Ignore', onPodConditions: onDisruption }] } },
        'might run more than once: ',
      ],
      ['to have no pod', { parallelism: 0 }, 'would never run: '],
    ])('%s', async (_, changes, message) => {
      const given = aLaunch([aScript('one', 'exit 1')]);
      const { jobId } = given.job;
      const incarnation = await prepareChanged(given, changes);
      await expect(harness.runner.release(jobId, incarnation, never)).rejects.toMatchObject({
        fault: 'rejected',
        reason: 'INTERNAL',
        message: expect.stringContaining(message),
      });
      expect(await harness.runner.find(jobId, never)).toMatchObject({ state: 'prepared' });
    });

    test('unless it only says what fails it', async () => {
      const given = aLaunch([aScript('one', 'exit 1')]);
      const podFailurePolicy = {
        rules: [{ action: 'FailJob', onPodConditions: onDisruption }],
      };
      const incarnation = await prepareChanged(given, { podFailurePolicy });
      await harness.runner.release(given.job.jobId, incarnation, never);
      expect(await harness.runner.awaitPhase(given.job.jobId, 'one', never)).toMatchObject({
        exitCode: 1,
      });
    });
  });

  test('keeps a Job that ended while nobody watched, though a policy gave it little time', async () => {
    const given = aLaunch([aScript('one', 'exit 3')]);
    const { jobId } = given.job;
    const incarnation = await prepareChanged(given, { ttlSecondsAfterFinished: 0 });
    await harness.runner.release(jobId, incarnation, never);
    await waitFor(
      async () => (await findJob(jobId)).status?.conditions?.some(({ type }) => type === 'Failed'),
      { what: 'the end of the Job' },
    );
    expect(await awaitAll(await another(''), given)).toEqual([
      expect.objectContaining({ exitCode: 3 }),
    ]);
  });

  test('knows a success whose pod is gone, though nobody saw it end', async () => {
    const given = aLaunch([aScript('one', 'true'), aScript('two', 'true')]);
    const { jobId } = given.job;
    const { runner, core, namespace } = harness;
    await launch(runner, given);
    await awaitAll(runner, given);
    await waitFor(async () => (await findJob(jobId)).status?.completionTime, { what: 'the Job' });
    await core.deleteNamespacedPod({
      namespace,
      name: (await findPod(jobId))?.metadata?.name ?? '',
    });
    await waitFor(async () => (await findPod(jobId)) === undefined, { what: 'the end of the pod' });
    const other = await another('');
    expect(await awaitAll(other, given)).toEqual([EXITED_0, EXITED_0]);
    await expect(readLog(other, jobId, 'two')).rejects.toMatchObject({ fault: 'missing' });
  });

  test('knows a Job that somebody deleted, with its pod killed at once', async () => {
    const given = aLaunch([aScript('one', 'echo ready; sleep 1000')]);
    const { jobId } = given.job;
    const { runner, core, namespace, config } = harness;
    await launch(runner, given);
    await waitForOutput(runner, jobId, 'one', 'ready');
    const pod = await findPod(jobId);
    const waiting = runner.awaitPhase(jobId, 'one', never);
    await config.makeApiClient(BatchV1Api).deleteNamespacedJob({
      namespace,
      name: jobId,
      propagationPolicy: 'Orphan',
    });
    await core.deleteNamespacedPod({
      namespace,
      name: pod?.metadata?.name ?? '',
      gracePeriodSeconds: 0,
    });
    expect(await waiting).toMatchObject({ kind: 'killed', reason: 'lost' });
  });

  test('runs phases as a user that is not root, who has a name and a home, where nothing else is admitted', async () => {
    const { core, namespace } = harness;
    const admit = (level: string | null) =>
      core.patchNamespace(
        {
          name: namespace,
          body: { metadata: { labels: { 'pod-security.kubernetes.io/enforce': level } } },
        },
        setHeaderOptions('Content-Type', PatchStrategy.MergePatch),
      );
    await admit('restricted');
    try {
      const settings = 'runAsNonRoot: { user: 1234, group: 1235 }\nreadOnlyRootFilesystem: true';
      const runner = await another(settings);
      const script =
        'id -un; id -g; touch "$HOME/mine" /etc/ansible/also /tmp/too && ls /inventory/also; touch /var/tmp/no || ansible localhost -m ping -o';
      const given = aLaunch([aScript('one', script), aScript('two', 'rm /inventory/also')]);
      await launch(runner, given);
      const results = await awaitAll(runner, given);
      const output = (await readLog(runner, given.job.jobId, 'one')).toString();
      expect(output).toMatch(/^keelson\n1235\n\/inventory\/also\n.*Read-only file system/);
      expect(output).toMatch(/localhost \| SUCCESS/);
      expect(results).toEqual([EXITED_0, EXITED_0]);
      const asRoot = aLaunch([aScript('one', 'true')], { podPendingSeconds: 2 });
      await launch(harness.runner, asRoot);
      expect(await awaitAll(harness.runner, asRoot)).toEqual([
        expect.objectContaining({
          reason: 'config',
          message: expect.stringMatching(/violates PodSecurity "restricted.*runAsNonRoot/),
        }),
      ]);
      await harness.runner.stop(asRoot.job.jobId, never);
    } finally {
      await admit(null);
    }
  });
});
