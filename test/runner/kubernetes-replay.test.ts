import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { KubeConfig, type V1Pod } from '@kubernetes/client-node';
import { createKubernetesRunner, type KubernetesRunner } from '../../src/runner/kubernetes.js';
import type { LogGap } from '../../src/runner/runner.js';
import { EXITED_0, LOST, never, readLog } from '../contract/runner-jobs.js';
import { waitFor } from '../support/wait.js';
import { toSettings } from './kubernetes-harness.js';
import { aPod, ended, running, TIMES } from './pod-builders.js';

const JOB = 'cfs-replayed-01234567';
const LONG_AGO = '2026-01-01T00:00:00Z';

/** Situations that no cluster can be made to produce, replayed by a server with the answers of Kubernetes' API. */
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

  test('gives up a pod whose node is silent, and its log, and ends a stop of it', async () => {
    const deletion = { deletionTimestamp: LONG_AGO };
    api.watched = api.listed = aPodOf('1', [ended(0), running], deletion);
    const result = await runner.awaitPhase(JOB, 'two', never);
    expect(result).toEqual(LOST);
    await expect(readLog(runner, JOB, 'two')).rejects.toMatchObject({ fault: 'missing' });
    await runner.stop(JOB, never);
    expect(api.asked).toContain('DELETE secrets');
  });

  test('asks once more before a time limit decides, because the watch may have been broken', async () => {
    api.watched = aPodOf('1', []);
    api.listed = aPodOf('2', [running]);
    const waiting = runner.awaitPhase(JOB, 'one', never);
    const count = (asked: string) => api.asked.filter((what) => what === asked).length;
    await waitFor(() => count('GET pods of the job') > 0, { what: 'the pod to be read' });
    await waitFor(() => count('GET pods') > 1, { what: 'a watch beside the list' });
    api.tell(aPodOf('3', [ended(0)]));
    expect(await waiting).toEqual(EXITED_0);
  });

  test.each([
    ['is complete', 'Complete', EXITED_0],
    ['is not', 'Failed', LOST],
  ])('asks the Job that %s about a pod whose end it has missed', async (_, type, result) => {
    const times = { startTime: LONG_AGO, completionTime: LONG_AGO };
    api.jobStatus = { ...times, conditions: [{ type, status: 'True' }] };
    api.watched = api.listed = aPodOf('1', [ended(0), running]);
    const waiting = runner.awaitPhase(JOB, 'two', never);
    await waitFor(() => api.asked.filter((what) => what === 'GET pods').length > 1, {
      what: 'a watch beside the list',
    });
    api.tell(aPodOf('2', [ended(0), running]), 'DELETED');
    expect(await waiting).toEqual(result);
  });

  test('takes a deadline from the Job whose pod was gone before it could be watched', async () => {
    const conditions = [{ type: 'Failed', status: 'True', reason: 'DeadlineExceeded' }];
    api.watchedJob = { ...JOB_OBJECT, status: { conditions } };
    api.watched = api.listed = undefined;
    const result = await runner.awaitPhase(JOB, 'two', never);
    expect(result).toEqual({ kind: 'killed', reason: 'timeout' });
  });

  test('reports what keeps a phase from starting, and in the end what to do', async () => {
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

  test('reports a log that is gone with its pod as missing, even before the watch knows', async () => {
    api.watched = api.listed = aPodOf('1', [ended(3, '')]);
    expect(await runner.awaitPhase(JOB, 'one', never)).toMatchObject({ exitCode: 3 });
    api.logStatus = 404;
    await expect(readLog(runner, JOB, 'one')).rejects.toMatchObject({ fault: 'missing' });
  });

  test('still has host results from the status of a pod that is gone with its log', async () => {
    const record = { state: 'ended', exit_code: 0, ...TIMES, results: 'cGFj:0123' };
    const pod = aPodOf('1', [ended(0, record), running]);
    api.watched = api.listed = pod;
    expect(await runner.awaitPhase(JOB, 'one', never)).toEqual(EXITED_0);
    const waiting = runner.awaitPhase(JOB, 'two', never);
    await waitFor(() => api.asked.filter((what) => what === 'GET pods').length > 1, {
      what: 'a watch beside the list',
    });
    api.tell(pod, 'DELETED');
    expect(await waiting).toEqual(LOST);
    await expect(readLog(runner, JOB, 'one')).rejects.toMatchObject({ fault: 'missing' });
    expect(await runner.findResults(JOB, 'one', never)).toBe('cGFj:0123');
    expect(await runner.findResults(JOB, 'two', never)).toBeUndefined();
  });

  describe('of a Job to which a policy of the cluster has added', () => {
    /** A policy changes the template of the Job, and so its pod too. */
    const add = (template: object) => {
      const { metadata, spec } = JOB_OBJECT;
      const annotations = { ...metadata.annotations, 'keelson/phases': 'one,two,three' };
      api.watchedJob = {
        metadata: { ...metadata, annotations },
        spec: { template: { spec: { ...spec.template.spec, ...template } } },
      };
    };

    test.each([
      ['runs', running],
      ['was ended with the pod', ended(137, '')],
    ])('a native sidecar that %s: it is no phase', async (_, state) => {
      const proxy = { name: 'proxy', restartPolicy: 'Always' };
      add({ initContainers: [proxy, { name: 'one' }, { name: 'two' }] });
      const pod = aPodOf('1', [ended(0), ended(0), ended(0)]);
      pod.spec?.initContainers?.unshift(proxy);
      pod.status?.initContainerStatuses?.unshift({
        ...{ name: 'proxy', image: 'image', imageID: 'image', ready: true, restartCount: 0 },
        state,
      });
      api.watched = api.listed = pod;
      expect(await runner.awaitPhase(JOB, 'three', never)).toEqual(EXITED_0);
    });

    test('a container beside the last phase: is named, because the pod would never end', async () => {
      add({ containers: [{ name: 'agent' }, { name: 'three' }] });
      const pod = aPodOf('1', [running]);
      pod.spec?.containers.unshift({ name: 'agent' });
      api.watched = api.listed = pod;
      expect(await runner.awaitPhase(JOB, 'one', never)).toMatchObject({
        kind: 'unstarted',
        message: expect.stringContaining('container agent was injected'),
      });
    });
  });

  describe('reads a log', () => {
    const whole = Buffer.from(Array.from({ length: 1000 }, (_, i) => `${i + 1}\n`).join(''));
    const digest = (mark: Uint8Array) =>
      createHash('sha256').update(mark).digest('hex').slice(0, 16);
    const told = {
      ...{ state: 'ended', exit_code: 0, ...TIMES, log_bytes: whole.length },
      ...{ log_head: digest(whole.subarray(0, 1024)), log_tail: digest(whole.subarray(-1024)) },
    };

    async function read(offset: number, record: object, ...served: readonly Buffer[]) {
      api.watched = api.listed = aPodOf('1', [ended(0, record)]);
      await runner.awaitPhase(JOB, 'one', never);
      api.logStatus = 200;
      api.logs = served;
      const pieces: (string | LogGap)[] = [];
      for await (const piece of runner.readLog(JOB, 'one', offset, never))
        pieces.push('lostBytes' in piece ? piece : Buffer.from(piece).toString());
      return pieces;
    }
    const text = (begin: number, end?: number) => whole.subarray(begin, end).toString();

    test('that was rotated: the gap is before it', async () => {
      expect(await read(100, told, whole.subarray(2000))).toEqual([
        { lostBytes: 1900, why: 'rotated' },
        text(2000),
      ]);
    });

    test('whose end the runtime drops: the gap is after it', async () => {
      expect(await read(100, told, whole.subarray(0, 2000))).toEqual([
        text(100, 2000),
        { lostBytes: whole.length - 2000, why: 'cut' },
      ]);
    });

    test('whose end the runtime has not written yet', async () => {
      const served = [1500, 2000, 2500].map((end) => whole.subarray(0, end));
      expect(await read(100, told, ...served, whole)).toEqual([text(100)]);
    });

    test('of which the API has more than the node', async () => {
      expect(await read(3000, told, whole.subarray(0, 2000))).toEqual([
        { lostBytes: whole.length - 3000, why: 'cut' },
      ]);
    });

    test('of which an older wrapper reported only the length, as if it were the end', async () => {
      const { log_bytes, state, exit_code } = told;
      const older = { state, exit_code, log_bytes, ...TIMES };
      expect(await read(0, older, whole.subarray(2000))).toEqual([
        { lostBytes: 2000, why: 'rotated' },
        text(2000),
      ]);
    });
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
  /** The pod as the watch first has it, and as a list of the job's pods returns it. */
  watched: V1Pod | undefined;
  listed: V1Pod | undefined;
  /** The status of requests for a log; at first that of a node that does not answer. */
  logStatus: number;
  /** The log of each request in turn; the last one is repeated. */
  logs: readonly Buffer[];
  /** The Job as the watch first has it. */
  watchedJob: object;
  /** The status that a read of the Job returns; the watch has none. */
  jobStatus: object;
  tell(pod: V1Pod, type?: 'MODIFIED' | 'DELETED'): void;
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
    if (part === 'log' && api.logStatus === 200) {
      const [log, ...later] = api.logs;
      if (later.length > 0) api.logs = later;
      response.end(log);
      return;
    }
    if (part === 'log') {
      response.writeHead(api.logStatus).end(JSON.stringify({ kind: 'Status', message: 'no log' }));
      return;
    }
    const pod = isOfJob ? api.listed : api.watched;
    const items = { jobs: [api.watchedJob], pods: pod === undefined ? [] : [pod] }[kind] ?? [];
    const list = { metadata: { resourceVersion: '1' }, items };
    const one = kind === 'jobs' ? { ...JOB_OBJECT, status: api.jobStatus } : pod;
    response.end(JSON.stringify(name === undefined ? list : one));
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
    logs: [],
    watchedJob: JOB_OBJECT,
    jobStatus: {},
    tell(pod, type = 'MODIFIED') {
      for (const watch of watches) watch.write(`${JSON.stringify({ type, object: pod })}\n`);
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
