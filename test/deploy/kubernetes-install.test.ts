import { execFileSync } from 'node:child_process';
import { request } from 'node:https';
import { json } from 'node:stream/consumers';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { CoreV1Api, type KubeConfig } from '@kubernetes/client-node';
import type { Answer, SessionBody } from '../support/cluster.js';
import { createRepository, type Repository } from '../support/git-repository.js';
import { startPostgres, type PostgresServer } from '../support/postgres.js';
import { findFreePort } from '../support/ssh-host.js';
import { openTemporal, type TestTemporal } from '../support/temporal.js';
import { waitFor } from '../support/wait.js';
import { startGitServer, type GitServer } from '../job/git-server.js';
import {
  createNamespace,
  describeCluster,
  IMAGE,
  loadConfig,
} from '../runner/kubernetes-harness.js';
import { CHART, FULL, NEEDED, render, runHelm, withValues, type Resource } from './chart.js';

/** As `npm run image:control` makes it; the cluster has been given it. */
const [REPOSITORY, TAG] = (process.env['KEELSON_CONTROL_IMAGE'] ?? 'localhost/keelson:test').split(
  /:(?=[^/:]*$)/,
);
const TOKEN = 'planted-token-of-the-chart';
const FILES = {
  'site.yml': `
- hosts: all
  connection: local
  gather_facts: false
  tasks:
    - ansible.builtin.debug: { msg: hello }
`,
};

describeCluster('the chart on a cluster', () => {
  let config: KubeConfig;
  let core: CoreV1Api;
  let namespace: string;
  let postgres: PostgresServer;
  let temporal: TestTemporal;
  let repository: Repository;
  let git: GitServer;
  let url: string;

  beforeAll(async () => {
    config = loadConfig();
    core = config.makeApiClient(CoreV1Api);
    namespace = await createNamespace(core);
    postgres = await startPostgres();
    temporal = await openTemporal();
    repository = createRepository({ files: FILES });
    execFileSync('git', ['update-server-info'], { cwd: repository.directory });
    git = await startGitServer({ directory: repository.directory });
    await createSecret('database', { url: await postgres.createDatabase() });
    await createSecret('clients', { tokens: `${TOKEN} write test\n` });
  });
  afterAll(async () => {
    await git.close();
    repository.remove();
    await core.deleteNamespace({ name: namespace });
    await temporal.close();
    await postgres.close();
  });

  const createSecret = (name: string, stringData: Record<string, string>) =>
    core.createNamespacedSecret({ namespace, body: { metadata: { name }, stringData } });

  test.each<[string, object]>([
    ['needed', NEEDED],
    ['full', FULL],
  ])('is accepted by the server, every object of it: %s values', async (_, values) => {
    for (const resource of await render(values, namespace)) {
      expect(await tryToApply(config, namespace, resource)).toMatchObject({ kind: resource.kind });
    }
  });

  test('is refused by the server where an object has a field that is none', async () => {
    const [first] = await render(NEEDED, namespace);
    const wrong = { ...first, typo: true } as unknown as Resource;
    expect(await tryToApply(config, namespace, wrong)).toMatchObject({
      kind: 'Status',
      message: expect.stringContaining('typo') as unknown,
    });
  });

  /** On the node's network, for the cluster of a test may have no Services, and its server may listen on loopback alone. */
  async function renderSite() {
    const server = new URL(config.getCurrentCluster()?.server ?? '');
    const ports = await Promise.all([1, 2, 3, 4].map(() => findFreePort()));
    const [http, jobs, metrics, worker] = ports as [number, number, number, number];
    url = `http://127.0.0.1:${http}`;
    const shared = { replicas: 1, hostNetwork: true, dnsPolicy: 'Default' };
    const KUBERNETES_SERVICE_HOST = server.hostname;
    const KUBERNETES_SERVICE_PORT = server.port || '443';
    return {
      image: { repository: REPOSITORY, tag: TAG, pullPolicy: 'Never' },
      database: { urlSecret: { name: 'database' } },
      temporal: { address: temporal.address },
      git: { allowProtocol: 'http' },
      jobs: {
        apiUrl: `http://127.0.0.1:${jobs}`,
        settings: {
          image: IMAGE,
          imagePullPolicy: 'Never',
          hostNetwork: true,
          dnsPolicy: 'Default',
          resources: { ansible: {} },
        },
      },
      api: { ...shared, tokensSecret: { name: 'clients' }, ports: { http, jobs, metrics } },
      worker: {
        ...shared,
        ports: { metrics: worker },
        environment: { KUBERNETES_SERVICE_HOST, KUBERNETES_SERVICE_PORT },
      },
    };
  }

  async function ask(method: string, path: string, body?: object): Promise<Answer> {
    const response = await fetch(`${url}${path}`, {
      method,
      headers: { authorization: `Bearer ${TOKEN}`, 'content-type': 'application/json' },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    const text = await response.text();
    const isJson = response.headers.get('content-type')?.includes('json') === true;
    return { status: response.status, body: isJson ? JSON.parse(text) : text };
  }

  const readKey = async () => {
    const name = 'keelson-master-key';
    return (await core.readNamespacedSecret({ namespace, name })).data?.['master.key'];
  };
  const runRelease = (...argv: readonly string[]) => runHelm(...argv, '--namespace', namespace);

  test('comes up ready, runs a session, keeps its key when it is upgraded and when it goes', async () => {
    const site = await renderSite();
    await withValues(site, async (file) => {
      const common = ['keelson', CHART, '--values', file, '--wait', '--timeout', '100s'];
      await runRelease('install', ...common);
      const key = await readKey();
      await runRelease('upgrade', ...common, '--set', 'api.service.annotations.upgraded=x');
      expect(await readKey()).toBe(key);
    });

    const { status } = await ask('PUT', '/v3/configurations/one', {
      layers: [{ clone_url: git.url, commit: repository.commit, playbook: 'site.yml' }],
    });
    expect(status).toBe(200);
    const target = { definition: 'spec', groups: [{ name: 'lab', members: ['localhost'] }] };
    const session = { name: 'one', configuration_name: 'one', target };
    expect((await ask('POST', '/v3/sessions', session)).status).toBe(201);
    const ended = await waitFor(
      async () => {
        const { body } = await ask('GET', '/v3/sessions/one');
        const told = (body as SessionBody).status.session;
        return told.status === 'complete' ? told : undefined;
      },
      { timeoutMs: 90_000, intervalMs: 250, what: 'the session to be complete' },
    );
    expect(ended).toMatchObject({ succeeded: 'true', reason: null, message: null });
    const { body } = await ask('GET', '/v3/sessions/one/logs?phase=ansible-0');
    expect(body).toMatch(/localhost +: ok=1 /);

    await runRelease('uninstall', 'keelson', '--wait', '--timeout', '60s');
    expect(await readKey()).toMatch(/^[A-Za-z0-9+/=]{88}$/);
    const labelSelector = 'app.kubernetes.io/instance=keelson';
    const isGone = async () =>
      (await core.listNamespacedPod({ namespace, labelSelector })).items.length === 0;
    await waitFor(isGone, { timeoutMs: 60_000, what: 'the pods to be gone' });
  }, 300_000);
});

/** As when it is applied, with every check but no effect; the client would leave out fields that it does not know. */
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
