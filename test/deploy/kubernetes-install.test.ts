import { request } from 'node:https';
import { json } from 'node:stream/consumers';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import {
  CoreV1Api,
  KubernetesObjectApi,
  type KubeConfig,
  type V1Pod,
} from '@kubernetes/client-node';
import { createNamespace, describeCluster, loadConfig } from '../runner/kubernetes-harness.js';
import { waitFor } from '../support/wait.js';
import { CHART, FULL, NEEDED, render, runHelm, withValues, type Resource } from './chart.js';
import { openInstalledSite, type InstalledSite } from './installed-site.js';

const MINUTES = 60_000;
/** More than all waits of a test together, so that the one that was in vain says so. */
const LONGEST_MS = 12 * MINUTES;

describeCluster('the chart on a cluster', () => {
  let config: KubeConfig;
  let core: CoreV1Api;
  let namespace: string;
  let site: InstalledSite;
  beforeAll(async () => {
    config = loadConfig();
    core = config.makeApiClient(CoreV1Api);
    namespace = await createNamespace(core);
    site = await openInstalledSite(config, namespace);
  });
  afterAll(async () => {
    await site.close();
    await core.deleteNamespace({ name: namespace });
  });

  test.each<[string, object]>([
    ['needed', NEEDED],
    ['full', FULL],
  ])('renders only objects that the server accepts, with %s values', async (_, values) => {
    for (const resource of await render(values, namespace)) {
      expect(await tryToApply(config, namespace, resource)).toMatchObject({ kind: resource.kind });
    }
  });

  test('renders objects in which the server would refuse an unknown field', async () => {
    const [first] = await render(NEEDED, namespace);
    const wrong = { ...first, typo: true } as unknown as Resource;
    expect(await tryToApply(config, namespace, wrong)).toMatchObject({
      kind: 'Status',
      message: expect.stringContaining('typo') as unknown,
    });
  });

  test(
    'continues a session whose worker is deleted, and during an upgrade',
    async () => {
      await withValues(site.values, async (file) => {
        const common = ['keelson', CHART, '--values', file, '--wait', '--timeout', '100s'];
        await runRelease('install', ...common);
        const key = await readKey();
        await site.submit('one');
        await site.whenKnocked(1);
        const [worker] = await listPods('worker');
        await core.deleteNamespacedPod({
          ...{ namespace, name: worker?.metadata?.name ?? '', gracePeriodSeconds: 0 },
        });
        const before = await listPods();
        const labels = ['api', 'worker'].flatMap((part) => ['--set', `${part}.podLabels.is=new`]);
        await runRelease('upgrade', ...common, ...labels, '--set', 'podDisruptionBudget.jobs=true');
        await whenGone(before);
        expect(await readKey()).toBe(key);
      });
      await waitFor(async () => /needs 1000000 healthy pods/.test(await evict('one')), {
        what: 'the eviction of the job to be refused',
      });
      site.gate.open();
      await site.expectSuccess('one');
      expect(site.gate.knocks()).toBe(1);
    },
    LONGEST_MS,
  );

  test(
    'lets a job end when it is uninstalled, and has its session when it is installed again',
    async () => {
      site.gate.shut();
      await site.submit('two');
      await site.whenKnocked(2);
      const before = await listPods();
      expect(await listObjects()).toContain('RoleBinding keelson-worker');
      await runRelease('uninstall', 'keelson', '--wait', '--timeout', '60s');
      await whenGone(before);
      expect(await listObjects()).toEqual(['Secret keelson-master-key']);
      site.gate.open();
      const hasEnded = async () => (await site.findJobPod('two'))?.status?.phase === 'Succeeded';
      await waitFor(hasEnded, { timeoutMs: MINUTES, what: 'the job to end by itself' });
      await withValues(site.values, (file) =>
        runRelease('install', 'keelson', CHART, '--values', file, '--wait', '--timeout', '100s'),
      );
      await site.expectSuccess('two');
      expect(site.gate.knocks()).toBe(2);
      await runRelease('uninstall', 'keelson', '--wait', '--timeout', '60s');
    },
    LONGEST_MS,
  );

  test('keeps its master key when the key in the Secret is renamed', async () => {
    const none = ['api', 'worker'].flatMap((part) => ['--set', `${part}.replicas=0`]);
    await withValues(site.values, async (file) => {
      await runRelease('install', 'keelson', CHART, '--values', file, ...none);
      const key = await readKey();
      const named = [...none, '--set', 'masterKeySecret.key=named'];
      await runRelease('upgrade', 'keelson', CHART, '--values', file, ...named);
      expect(await readKey('named')).toBe(key);
      await runRelease('rollback', 'keelson');
      expect(await readKey()).toBe(key);
    });
    await runRelease('uninstall', 'keelson', '--wait', '--timeout', '60s');
  });

  const runRelease = (...argv: readonly string[]) => runHelm(...argv, '--namespace', namespace);

  const readKey = async (key = 'master.key') => {
    const name = 'keelson-master-key';
    return (await core.readNamespacedSecret({ namespace, name })).data?.[key];
  };

  const listPods = async (component = 'api,worker') => {
    const labelSelector = `app.kubernetes.io/instance=keelson,app.kubernetes.io/component in (${component})`;
    return (await core.listNamespacedPod({ namespace, labelSelector })).items;
  };

  /** Tries to evict the session's pod, as a drain of its node does, and returns how the server refuses. */
  const evict = async (session: string): Promise<string> => {
    const name = (await site.findJobPod(session))?.metadata?.name ?? '';
    return core
      .createNamespacedPodEviction({ namespace, name, body: { metadata: { name } } })
      .then(() => Promise.reject(new Error(`${name} was evicted`)), String);
  };

  const whenGone = (pods: readonly V1Pod[]) => {
    const uids = pods.map(({ metadata }) => metadata?.uid);
    const isGone = async () =>
      (await listPods()).every(({ metadata }) => !uids.includes(metadata?.uid));
    return waitFor(isGone, { timeoutMs: MINUTES, what: 'the pods to be gone' });
  };

  /** The chart's objects that exist. */
  async function listObjects(): Promise<readonly string[]> {
    const objects = KubernetesObjectApi.makeApiClient(config);
    const found: string[] = [];
    for (const { apiVersion, kind, metadata } of await render(site.values, namespace)) {
      const { name } = metadata;
      try {
        await objects.read({ apiVersion, kind, metadata: { name, namespace } });
        found.push(`${kind} ${name}`);
      } catch (error) {
        if ((error as { code?: unknown }).code !== 404) throw error;
      }
    }
    return found;
  }
});

/** Applies it as a dry run with every check. Not with the client, which leaves out fields that it does not know. */
async function tryToApply(config: KubeConfig, namespace: string, resource: Resource) {
  const { apiVersion, kind, metadata } = resource;
  const group = apiVersion.includes('/') ? `apis/${apiVersion}` : `api/${apiVersion}`;
  const plural = `${kind.toLowerCase()}s`.replace(/ys$/, 'ies');
  const options = {
    method: 'PATCH',
    headers: { 'content-type': 'application/apply-patch+yaml' },
  };
  await config.applyToHTTPSOptions(options);
  const server = config.getCurrentCluster()?.server ?? '';
  const path = `/${group}/namespaces/${namespace}/${plural}/${metadata.name}`;
  const query = 'dryRun=All&fieldManager=keelson-test&fieldValidation=Strict';
  const answer = Promise.withResolvers<unknown>();
  request(`${server}${path}?${query}`, options, (response) => answer.resolve(json(response)))
    .on('error', answer.reject)
    .end(JSON.stringify({ ...resource, metadata: { ...metadata, namespace } }));
  return answer.promise;
}
