import { once } from 'node:events';
import { createServer, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { KubeConfig, type V1Pod } from '@kubernetes/client-node';
import { createKubernetesRunner, type KubernetesRunner } from '../../src/runner/kubernetes.js';
import { EXITED_0, LOST, never, readLog } from '../contract/runner-jobs.js';
import { waitFor } from '../support/wait.js';
import { toSettings } from './kubernetes-harness.js';
import { aPod, ended, running } from './pod-builders.js';

const JOB = 'cfs-replayed-01234567';
const LONG_AGO = '2026-01-01T00:00:00Z';

/** What no cluster can be brought to do: Kubernetes' API as it answers then. */
describe('the Kubernetes runner', () => {
  let api: ReplayedApi;
  let runner: KubernetesRunner;
  beforeEach(async () => {
    api = await startReplayedApi();
    runner = createKubernetesRunner({
      config: api.config,
      namespace: 'n',
      deploymentId: 'd',
      settings: toSettings(),
      gitProtocols: 'https',
      jobSource: process.cwd(),
      jobTtlSeconds: 0,
      logger: { warn: () => undefined },
    });
  });
  afterEach(async () => {
    runner.close();
    await api.close();
  });

  test('gives up a pod whose node is silent, with its log, and a stop of it ends', async () => {
    const deletion = { deletionTimestamp: LONG_AGO };
    api.watched = api.listed = aPodOf('1', [ended(0), running], deletion);
    const result = await runner.awaitPhase(JOB, 'two', never);
    expect(result).toEqual(LOST);
    await expect(readLog(runner, JOB, 'two')).rejects.toMatchObject({ fault: 'missing' });
    await runner.stop(JOB, never);
    expect(api.asked).toContain('DELETE secrets');
  });

  test('asks once more before the clock decides: the watch may have been broken', async () => {
    api.watched = aPodOf('1', []);
    api.listed = aPodOf('2', [running]);
    const waiting = runner.awaitPhase(JOB, 'one', never);
    const count = (asked: string) => api.asked.filter((what) => what === asked).length;
    await waitFor(() => count('GET pods of the job') > 0, { what: 'the pod to be read' });
    await waitFor(() => count('GET pods') > 1, { what: 'a watch beside the list' });
    api.tell(aPodOf('3', [ended(0)]));
    expect(await waiting).toEqual(EXITED_0);
  });

  test('tells what keeps a phase from starting, and in the end what to do', async () => {
    const state = { waiting: { reason: 'ImagePullBackOff', message: 'no such image' } };
    api.watched = api.listed = aPodOf('1', [state]);
    const told: unknown[] = [];
    const result = await runner.awaitPhase(JOB, 'one', never, (what) => told.push(what));
    const words = 'ImagePullBackOff: no such image';
    expect(new Set(told)).toEqual(new Set([`${words} (pod_pending_time_limit: 1 s)`]));
    expect(result).toEqual({
      kind: 'unstarted',
      reason: 'image-pull',
      message: `it did not within 1 s (pod_pending_time_limit). Check image and imagePullSecrets in KUBERNETES_SETTINGS_FILE: ${words}`,
    });
  });

  test('says of a log that is gone with its pod that it is, though the watch has not told', async () => {
    api.watched = api.listed = aPodOf('1', [ended(3, '')]);
    expect(await runner.awaitPhase(JOB, 'one', never)).toMatchObject({ exitCode: 3 });
    api.logStatus = 404;
    await expect(readLog(runner, JOB, 'one')).rejects.toMatchObject({ fault: 'missing' });
  });
});

function aPodOf(
  resourceVersion: string,
  states: Parameters<typeof aPod>[0],
  metadata: object = {},
): V1Pod {
  const owner = { apiVersion: 'batch/v1', kind: 'Job', name: JOB, uid: 'job-uid' };
  return aPod(states, {
    metadata: {
      ...{ namespace: 'n', uid: 'pod-uid', resourceVersion, ownerReferences: [owner] },
      labels: { 'keelson/job': JOB, 'keelson/deployment': 'd' },
      ...metadata,
    },
  });
}

const JOB_OBJECT = {
  metadata: {
    ...{ name: JOB, namespace: 'n', uid: 'job-uid', resourceVersion: '1' },
    labels: { 'keelson/job': JOB, 'keelson/deployment': 'd' },
    annotations: { 'keelson/pod-pending-seconds': '1' },
  },
  spec: {
    template: {
      spec: {
        initContainers: [{ name: 'one' }, { name: 'two' }],
        containers: [{ name: 'three' }],
      },
    },
  },
};

interface ReplayedApi {
  readonly config: KubeConfig;
  readonly asked: readonly string[];
  /** The pod as the watch first has it, and as whoever asks for those of the job. */
  watched: V1Pod;
  listed: V1Pod;
  /** Of requests for a log; at first as for a node that does not answer. */
  logStatus: number;
  tell(pod: V1Pod): void;
  close(): Promise<void>;
}

async function startReplayedApi(): Promise<ReplayedApi> {
  const asked: string[] = [];
  const watches = new Set<ServerResponse>();
  const server = createServer((request, response) => {
    const { pathname, searchParams } = new URL(request.url ?? '/', 'http://localhost');
    const [kind = '', name, part] = pathname.split('/namespaces/n/')[1]?.split('/') ?? [];
    const isOfJob = searchParams.get('labelSelector')?.includes(JOB) === true;
    asked.push(
      `${request.method} ${kind}${isOfJob && request.method === 'GET' ? ' of the job' : ''}`,
    );
    response.setHeader('content-type', 'application/json');
    if (searchParams.get('watch') === 'true') {
      response.flushHeaders();
      if (kind === 'pods') watches.add(response);
      return;
    }
    if (part === 'log') {
      response.writeHead(api.logStatus).end(JSON.stringify({ kind: 'Status', message: 'no log' }));
      return;
    }
    const pod = isOfJob ? api.listed : api.watched;
    const items = { jobs: [JOB_OBJECT], pods: [pod] }[kind] ?? [];
    const list = { metadata: { resourceVersion: '1' }, items };
    response.end(JSON.stringify(name === undefined ? list : items[0]));
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const config = new KubeConfig();
  config.loadFromClusterAndUser({ name: 'c', server: url, skipTLSVerify: true }, { name: 'u' });
  const api: ReplayedApi = {
    config,
    asked,
    watched: aPodOf('1', []),
    listed: aPodOf('1', []),
    logStatus: 502,
    tell(pod) {
      for (const watch of watches)
        watch.write(`${JSON.stringify({ type: 'MODIFIED', object: pod })}\n`);
    },
    async close() {
      const closed = once(server, 'close');
      server.close();
      server.closeAllConnections();
      await closed;
    },
  };
  return api;
}
