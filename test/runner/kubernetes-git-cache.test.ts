import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, dirname, join } from 'node:path';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import type { Phase } from '../../src/core/job.js';
import { startGitHttpServer } from '../clients/git-http-server.js';
import { aLaunch, aScript, awaitAll, launch, readLog, EXITED_0 } from '../contract/runner-jobs.js';
import { createRepository } from '../support/git-repository.js';
import {
  createKubernetesHarness,
  describeCluster,
  type KubernetesHarness,
} from './kubernetes-harness.js';

const CLAIM = 'git-cache';

describeCluster('the git cache on Kubernetes', () => {
  let harness: KubernetesHarness;
  let directory: string;
  beforeAll(async () => {
    directory = mkdtempSync(join(tmpdir(), 'keelson-git-cache-'));
    harness = await createKubernetesHarness({
      settings: `hostNetwork: true\ngitCache: { claimName: ${CLAIM} }`,
    });
    await createVolume(harness, directory);
  });
  afterAll(async () => {
    await harness.close();
    await harness.core.deletePersistentVolume({ name: harness.namespace });
    rmSync(directory, { recursive: true });
  });

  test('has a commit for the next job while the git server is away', async () => {
    const { runner } = harness;
    const repository = createRepository({ files: { 'site.yml': 'first' } });
    const server = await startGitHttpServer({ root: dirname(repository.directory) });
    const clone: Phase = {
      ...{ kind: 'git-clone', name: 'git-clone-0', layer: 0, directory: 'layer0' },
      repository: {
        url: `${server.url}/${basename(repository.directory)}`,
        commit: repository.commit,
      },
      timeoutSeconds: 30,
    };
    // The cache is not mounted for playbooks.
    const look = aScript('look', 'cat /inventory/layer0/site.yml; ! [ -e /var/cache/keelson ]');
    const [first, second] = [aLaunch([clone, look]), aLaunch([clone, look])];

    await launch(runner, first);
    const ends = await awaitAll(runner, first).finally(() => server.close());
    await launch(runner, second);

    expect([ends, await awaitAll(runner, second)]).toEqual(
      Array.from({ length: 2 }, () => [EXITED_0, EXITED_0]),
    );
    const read = async (phase: string) =>
      (await readLog(runner, second.job.jobId, phase)).toString();
    expect(await read('git-clone-0')).toContain('the server was not asked');
    expect(await read('look')).toBe('first');
    repository.remove();
  });
});

/** A volume named as the namespace, on a directory of the node, which is this machine. */
async function createVolume(
  { core, namespace }: KubernetesHarness,
  directory: string,
): Promise<void> {
  const shared = { storageClassName: '', accessModes: ['ReadWriteMany'] };
  await core.createPersistentVolume({
    body: {
      metadata: { name: namespace },
      spec: {
        ...shared,
        capacity: { storage: '1Gi' },
        hostPath: { path: directory },
        claimRef: { namespace, name: CLAIM },
      },
    },
  });
  await core.createNamespacedPersistentVolumeClaim({
    namespace,
    body: {
      metadata: { name: CLAIM },
      spec: { ...shared, resources: { requests: { storage: '1Gi' } }, volumeName: namespace },
    },
  });
}
