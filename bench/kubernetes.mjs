import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { availableParallelism, loadavg, tmpdir } from 'node:os';
import { join } from 'node:path';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { createServer } from 'node:http';
import { readFile } from 'node:fs/promises';
import { execFileSync } from 'node:child_process';
import { CoreV1Api, KubeConfig, Watch } from '@kubernetes/client-node';
import { printTable, printTitle } from '../scripts/demo/print.mjs';
import { pause } from '../scripts/demo/service.mjs';
import { startApiServerProxy } from '../scripts/lib/api-server-proxy.mjs';
import { createRepository } from '../scripts/lib/git-repository.mjs';
import { toP99, toRow } from './api/figures.mjs';
import { openSqlite } from './api/sqlite.mjs';
import { openStand, readSessions, toNames } from './load/stand.mjs';
import { measureWatching } from './kubernetes-watching.mjs';

const SESSIONS = 20;
const SLEEP_SECONDS = 90;
const LIMIT_MS = 300_000;
const IMAGE = process.env['KEELSON_JOB_IMAGE'] ?? 'localhost/keelson-job:test';

/** @typedef {import('./api/figures.mjs').Figure} Figure */
/** @typedef {{ config: KubeConfig, core: CoreV1Api, namespace: string, image: string, scale: number, signal: AbortSignal }} Place */

/**
 * What a session costs the Kubernetes API server, and how soon Keelson knows what happens in the cluster. Uses the cluster
 * that KUBECONFIG names. Pods use the node's network, because the node must be this machine.
 * @param {{ json: boolean, scale: number, part?: string | undefined }} options @param {AbortSignal} signal
 */
export async function benchKubernetes({ json, scale, part }, signal) {
  const config = new KubeConfig();
  config.loadFromDefault();
  const core = config.makeApiClient(CoreV1Api);
  const namespace = `keelson-bench-${randomBytes(3).toString('hex')}`;
  const [load = 0] = loadavg();
  await core.createNamespace({ body: { metadata: { name: namespace } } });
  const place = { config, core, namespace, image: IMAGE, scale, signal };
  try {
    const figures = [
      ...(part === 'watching' ? [] : await measureSessions(place)),
      ...(part === 'sessions' ? [] : await measureWatching(place)),
    ];
    if (json)
      console.log(JSON.stringify({ cores: availableParallelism(), load, figures }, undefined, 2));
    else {
      printTitle(`Kubernetes, ${availableParallelism()} cores, load ${load.toFixed(1)} before`);
      printTable(['', 'measured', 'target', ''], figures.map(toRow));
    }
  } finally {
    await core.deleteNamespace({ name: namespace });
  }
}

/** Runs sessions of two layers, one after the other, then one that takes longer. @param {Place} place @returns {Promise<Figure[]>} */
async function measureSessions({ config, core, namespace, image, scale, signal }) {
  const directory = mkdtempSync(join(tmpdir(), 'keelson-bench-'));
  const proxy = await startApiServerProxy(config);
  const kubeconfig = join(directory, 'kubeconfig');
  const settings = join(directory, 'settings.yaml');
  writeFileSync(kubeconfig, proxy.kubeconfig);
  writeFileSync(
    settings,
    `image: ${image}\nimagePullPolicy: Never\ndnsPolicy: Default\nhostNetwork: true\nresources: { ansible: {} }\n`,
  );
  const repository = createRepository({
    files: {
      'site.yml': renderPlaybook(0),
      'quick.yml': renderPlaybook(0),
      'slow.yml': renderPlaybook(SLEEP_SECONDS),
    },
  });
  const git = await serveRepository(repository.directory);
  const database = await openSqlite(directory);
  const stand = await openStand(
    { database, signal, scale },
    {
      environment: {
        RUNNER: 'kubernetes',
        KUBERNETES_SETTINGS_FILE: settings,
        KUBERNETES_NAMESPACE: namespace,
        KUBECONFIG: kubeconfig,
        GIT_ALLOW_PROTOCOL: 'http',
      },
    },
  );
  const pods = await watchPods(config, namespace);
  try {
    const { client } = stand;
    const layer = { clone_url: git.url, commit: repository.commit };
    const layers = (/** @type {string} */ last) => ({
      layers: [
        { ...layer, playbook: 'site.yml' },
        { ...layer, playbook: last },
      ],
    });
    await client.put('/v3/configurations/quick', layers('quick.yml'));
    await client.put('/v3/configurations/slow', layers('slow.yml'));
    const run = async (/** @type {string} */ name, /** @type {string} */ configuration) => {
      const from = proxy.calls.length;
      const begin = performance.now();
      await client.post('/v3/sessions', { name, configuration_name: configuration });
      const made = (await pods.whenMade(name, signal)) - begin;
      await waitUntilOver(client, name, signal);
      const calls = proxy.calls
        .slice(from)
        .filter(({ method, about }) => method !== 'WATCH' && about.includes(`cfs-${name}-`));
      const others = proxy.calls
        .slice(from)
        .filter(({ method, about }) => method !== 'WATCH' && !about.includes(`cfs-${name}-`));
      return {
        made,
        calls: calls.length + others.length,
        own: toKinds(calls),
        others: toKinds(others),
      };
    };
    await run('warm', 'quick');
    const names = toNames('quick', Math.max(2, Math.ceil(SESSIONS * scale)));
    const runs = [];
    for (const name of names) {
      console.error(`${name} ...`);
      runs.push(await run(name, 'quick'));
    }
    console.error('slow ...');
    const slow = await run('slow', 'slow');
    const sessions = await readSessions(stand, names);
    const failed = sessions.filter(({ status }) => status.session.succeeded !== 'true');
    if (failed.length > 0) throw new Error(`Failed: ${JSON.stringify(failed[0].status.session)}`);
    return [
      toP99(
        'POST until the pod is made',
        runs.map(({ made }) => made),
        { most: 2000 },
      ),
      toP99('end of a phase until it is recorded', readDelays(stand.worker.output()), {
        most: 2000,
      }),
      {
        ...{ what: 'requests for a session of two layers, at most', unit: '', most: 25 },
        ...{
          value: Math.max(...runs.map(({ calls }) => calls)),
          more: { own: runs[0]?.own, others: runs[0]?.others },
        },
      },
      {
        ...{ what: `the same where it takes ${SLEEP_SECONDS} s more`, unit: '', most: 25 },
        ...{ value: slow.calls, more: { own: slow.own, others: slow.others } },
      },
    ];
  } finally {
    pods.close();
    await stand.close();
    await proxy.close();
    await git.close();
    await database.close();
    repository.remove();
    rmSync(directory, { recursive: true, force: true });
  }
}

/** From the end that the phase's own process notes until the worker has stored it. @param {string} log */
function readDelays(log) {
  return log
    .split('\n')
    .filter((line) => line.includes('"msg":"phase ended"'))
    .map((line) => JSON.parse(line))
    .map(({ time, result }) => new Date(time).getTime() - Date.parse(result.endedAt));
}

/** @param {readonly { method: string, kind: string }[]} calls */
function toKinds(calls) {
  /** @type {Record<string, number>} */
  const counts = {};
  for (const { method, kind } of calls)
    counts[`${method} ${kind}`] = (counts[`${method} ${kind}`] ?? 0) + 1;
  return counts;
}

/** @param {KubeConfig} config @param {string} namespace */
async function watchPods(config, namespace) {
  /** @type {Map<string, number>} */
  const made = new Map();
  const controller = await new Watch(config).watch(
    `/api/v1/namespaces/${namespace}/pods`,
    {},
    (_, pod) => {
      const session = pod.metadata?.labels?.cfsession;
      if (session !== undefined && !made.has(session)) made.set(session, performance.now());
    },
    () => undefined,
  );
  return {
    /** @param {string} session @param {AbortSignal} signal */
    async whenMade(session, signal) {
      for (const deadline = Date.now() + LIMIT_MS; ; await pause(signal, 5)) {
        const at = made.get(session);
        if (at !== undefined) return at;
        if (Date.now() > deadline) throw new Error(`${session} got no pod.`);
      }
    },
    close: () => controller.abort(),
  };
}

/** @param {import('./load/stand.mjs').Stand['client']} client @param {string} name @param {AbortSignal} signal */
async function waitUntilOver(client, name, signal) {
  for (const deadline = Date.now() + LIMIT_MS; ; await pause(signal, 200)) {
    const { status } = await client.get(`/v3/sessions/${name}`);
    if (status.session.status === 'complete') return;
    if (Date.now() > deadline) throw new Error(`${name} was not over after ${LIMIT_MS / 1000} s.`);
  }
}

/** Serves the repository over HTTP as plain files. @param {string} directory */
async function serveRepository(directory) {
  execFileSync('git', ['update-server-info'], { cwd: directory });
  const server = createServer((request, response) => {
    const { pathname } = new URL(request.url ?? '/', 'http://localhost');
    readFile(join(directory, pathname.replace('/repository.git/', ''))).then(
      (content) => response.writeHead(200).end(content),
      () => response.writeHead(404).end(),
    );
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = /** @type {import('node:net').AddressInfo} */ (server.address());
  return {
    url: `http://127.0.0.1:${port}/repository.git`,
    async close() {
      const closed = once(server, 'close');
      server.close();
      server.closeAllConnections();
      await closed;
    },
  };
}

/** @param {number} seconds */
const renderPlaybook = (seconds) => `- hosts: all
  connection: local
  gather_facts: false
  tasks:
    - ansible.builtin.command: sleep ${seconds}
`;
