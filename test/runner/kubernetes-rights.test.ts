import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { KubeConfig, RbacAuthorizationV1Api } from '@kubernetes/client-node';
import type { KubernetesRunner } from '../../src/runner/kubernetes.js';
import {
  aLaunch,
  aScript,
  launch,
  listJobs,
  never,
  readLog,
  waitForOutput,
} from '../contract/runner-jobs.js';
import { waitFor } from '../support/wait.js';
import {
  createKubernetesHarness,
  describeCluster,
  type KubernetesHarness,
} from './kubernetes-harness.js';

/** The rights of the worker, as in docs/kubernetes.md. */
const RIGHTS: Readonly<Record<string, readonly string[]>> = {
  jobs: ['get', 'list', 'watch', 'create', 'patch', 'delete'],
  pods: ['list', 'watch', 'patch', 'delete'],
  'pods/log': ['get'],
  secrets: ['create', 'deletecollection'],
  configmaps: ['get'],
  events: ['list'],
};

describeCluster('a worker with a Role', () => {
  let harness: KubernetesHarness;
  const opened: KubernetesRunner[] = [];
  const prepared = aLaunch([aScript('one', 'true')]);
  const running = aLaunch([aScript('one', 'echo ready; sleep 1000')]);
  const waiting = aLaunch([aScript('one', 'true')], { podPendingSeconds: 1 });
  let incarnation: string;

  beforeAll(async () => {
    harness = await createKubernetesHarness();
    const { runner, namespace } = harness;
    incarnation = await runner.prepare(prepared, never);
    await launch(runner, running);
    const keyless = await createKubernetesHarness({
      namespace,
      settings: 'sshPrivateKey: { name: absent }',
    });
    opened.push(keyless.runner);
    await launch(keyless.runner, waiting);
    await waitForOutput(runner, running.job.jobId, 'one', 'ready');
  });
  afterAll(async () => {
    for (const runner of opened) runner.close();
    await harness.close();
  });

  /** A runner with all rights but this one. */
  async function without(
    resource: string,
    verb: string,
    onBreak: (error: unknown) => void = () => undefined,
  ): Promise<KubernetesRunner> {
    const { core, namespace, config } = harness;
    const name = `without-${verb}-${resource.replace('/', '-')}`;
    const rules = Object.entries(RIGHTS)
      .map(([each, verbs]) => ({
        apiGroups: [each === 'jobs' ? 'batch' : ''],
        resources: [each],
        verbs: verbs.filter((one) => each !== resource || one !== verb),
      }))
      .filter(({ verbs }) => verbs.length > 0);
    const rbac = config.makeApiClient(RbacAuthorizationV1Api);
    await core.createNamespacedServiceAccount({ namespace, body: { metadata: { name } } });
    await rbac.createNamespacedRole({ namespace, body: { metadata: { name }, rules } });
    await rbac.createNamespacedRoleBinding({
      namespace,
      body: {
        metadata: { name },
        roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'Role', name },
        subjects: [{ kind: 'ServiceAccount', name, namespace }],
      },
    });
    const { status } = await core.createNamespacedServiceAccountToken({
      namespace,
      name,
      body: { spec: { audiences: [] } },
    });
    const cluster = config.getCurrentCluster();
    if (cluster === null) throw new Error('no cluster');
    const own = new KubeConfig();
    own.loadFromClusterAndUser(cluster, { name, token: status?.token ?? '' });
    const { runner } = await createKubernetesHarness({
      namespace,
      config: own,
      logger: { warn: (fields) => onBreak((fields as { err?: unknown }).err) },
    });
    opened.push(runner);
    return runner;
  }

  const jobId = (given: typeof prepared) => given.job.jobId;
  test.each<[string, string, (runner: KubernetesRunner) => Promise<unknown>]>([
    ['configmaps', 'get', (runner) => runner.prepare(aLaunch([aScript('one', 'true')]), never)],
    ['jobs', 'create', (runner) => runner.prepare(aLaunch([aScript('one', 'true')]), never)],
    ['secrets', 'create', (runner) => runner.prepare(aLaunch([aScript('one', 'true')]), never)],
    ['jobs', 'get', (runner) => runner.find(jobId(prepared), never)],
    ['jobs', 'list', (runner) => listJobs(runner)],
    ['jobs', 'patch', (runner) => runner.release(jobId(prepared), incarnation, never)],
    ['jobs', 'delete', (runner) => runner.discard(jobId(prepared), incarnation, never)],
    ['events', 'list', (runner) => runner.awaitPhase(jobId(waiting), 'one', never)],
    ['pods', 'delete', (runner) => runner.stop(jobId(waiting), never)],
    ['pods/log', 'get', (runner) => whenReadable(runner)],
    ['pods', 'list', (runner) => runner.stop(jobId(running), never)],
    ['pods', 'patch', (runner) => runner.stop(jobId(running), never)],
    ['secrets', 'deletecollection', (runner) => runner.stop(jobId(running), never)],
  ])('that lacks %s: %s says so', async (resource, verb, act) => {
    const runner = await without(resource, verb);
    const refusal = new RegExp(`cannot ${verb} resource "${resource}".*The worker's Role has`);
    // A new Role takes effect after a moment. Until then another right is reported as missing.
    await waitFor(
      () =>
        act(runner).then(
          () => Promise.reject(new Error(`${verb} ${resource} is not needed`)),
          (error: unknown) => {
            if (!refusal.test((error as Error).message)) throw error;
            expect(error).toMatchObject({ fault: 'forbidden' });
            return true;
          },
        ),
      { what: `the lack of ${verb} ${resource} to be told` },
    );
  });

  test.each(['jobs', 'pods'])('that lacks %s: watch logs so, again and again', async (resource) => {
    const told: string[] = [];
    const runner = await without(resource, 'watch', (error) => told.push(String(error)));
    await waitFor(
      () => told.filter((text) => text.includes(`cannot watch resource "${resource}"`)).length >= 2,
      { what: 'the lack to be told twice' },
    );
    runner.close();
  });

  test('has all that it needs', async () => {
    const runner = await without('nothing', 'at-all');
    const given = aLaunch([aScript('one', 'echo here')]);
    await launch(runner, given);
    expect(await runner.awaitPhase(jobId(given), 'one', never)).toMatchObject({ exitCode: 0 });
    expect((await readLog(runner, jobId(given), 'one')).toString()).toBe('here\n');
    await runner.remove(jobId(given), never);
    expect(await runner.find(jobId(given), never)).toBeUndefined();
  });

  /** Waits until the watch has heard of the pod; before that the runner would list pods. */
  const whenReadable = async (runner: KubernetesRunner) =>
    waitFor(async () => (await runner.find(jobId(running), never))?.state === 'running', {
      what: 'the job to run',
    }).then(() => readLog(runner, jobId(running), 'one'));
});
