import { execFileSync } from 'node:child_process';
import { CoreV1Api, DiscoveryV1Api, type KubeConfig, type V1Pod } from '@kubernetes/client-node';
import { startGitServer } from '../job/git-server.js';
import { findHostAddress, IMAGE } from '../runner/kubernetes-harness.js';
import type { Answer, PhaseBody, SessionBody } from '../support/cluster.js';
import { openForwarder, openGate, type Gate, type Target } from '../support/forwarder.js';
import { createRepository } from '../support/git-repository.js';
import { startPostgres } from '../support/postgres.js';
import { openTemporal } from '../support/temporal.js';
import { waitFor } from '../support/wait.js';

/** The image that `npm run image:control` made and that was given to the cluster. */
const [REPOSITORY, TAG] = (process.env['KEELSON_CONTROL_IMAGE'] ?? 'localhost/keelson:test').split(
  /:(?=[^/:]*$)/,
);
const TOKEN = 'planted-token-of-the-chart';
const SESSION_MS = 120_000;
const REQUEST_MS = 15_000;

/**
 * Everything that a release needs besides the chart. It runs on this machine, and pods reach it at the node's address.
 * Services of a test cluster may have no working address, so ports of this machine forward to their endpoints.
 */
export interface InstalledSite {
  /** Values for the chart. */
  readonly values: object;
  /** The gate at which the playbook of a session waits. */
  readonly gate: Gate;
  whenKnocked(count: number): Promise<unknown>;
  submit(name: string): Promise<void>;
  /** Waits for the end of the session. Checks that it succeeded and that its log is that of the pod. */
  expectSuccess(name: string): Promise<void>;
  findJobPod(session: string): Promise<V1Pod | undefined>;
  close(): Promise<void>;
}

export async function openInstalledSite(
  config: KubeConfig,
  namespace: string,
): Promise<InstalledSite> {
  const core = config.makeApiClient(CoreV1Api);
  const host = await findHostAddress(core);
  const undo: (() => unknown)[] = [];
  const keep = <T extends { close(): unknown }>(part: T) => {
    undo.unshift(() => part.close());
    return part;
  };
  const forward = async (find: () => Target | Promise<Target>) =>
    keep(await openForwarder(host, find));
  const forwardTo = (at: string) => {
    const { hostname, port } = new URL(at.includes('://') ? at : `tcp://${at}`);
    return forward(() => ({ host: hostname, port: Number(port) }));
  };
  const toService = (port: string) => forward(() => findEndpoint(config, namespace, port));

  const database = new URL(await keep(await startPostgres()).createDatabase());
  const temporal = keep(await openTemporal());
  const gate = keep(await openGate(host));
  const repository = createRepository({ files: { 'site.yml': renderPlaybook(gate) } });
  undo.unshift(() => repository.remove());
  execFileSync('git', ['update-server-info'], { cwd: repository.directory });
  const git = new URL(keep(await startGitServer({ directory: repository.directory })).url);
  const [http, jobs] = [await toService('http'), await toService('http-jobs')];
  database.host = toText(await forwardTo(database.href));
  git.host = toText(await forwardTo(git.href));
  const server = await forwardTo(config.getCurrentCluster()?.server ?? '');

  const createSecret = (name: string, stringData: Record<string, string>) =>
    core.createNamespacedSecret({ namespace, body: { metadata: { name }, stringData } });
  await createSecret('database', { url: database.href });
  await createSecret('clients', { tokens: `${TOKEN} write test\n` });

  const ask = async (method: string, path: string, body?: object): Promise<Answer> => {
    // A pod that is gone closes no connection, so none is kept.
    const response = await fetch(`http://${toText(http)}${path}`, {
      method,
      signal: AbortSignal.timeout(REQUEST_MS),
      headers: {
        ...{ authorization: `Bearer ${TOKEN}`, connection: 'close' },
        'content-type': 'application/json',
      },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    const text = await response.text();
    const isJson = response.headers.get('content-type')?.includes('json') === true;
    if (!response.ok) throw new Error(`${method} ${path}: ${response.status} ${text}`);
    return { status: response.status, body: isJson ? JSON.parse(text) : text };
  };

  const site: InstalledSite = {
    values: {
      image: { repository: REPOSITORY, tag: TAG, pullPolicy: 'Never' },
      database: { urlSecret: { name: 'database' } },
      temporal: { address: toText(await forwardTo(temporal.address)) },
      git: { allowProtocol: 'http' },
      jobs: {
        apiUrl: `http://${toText(jobs)}`,
        settings: {
          ...{ image: IMAGE, imagePullPolicy: 'Never', dnsPolicy: 'Default' },
          resources: { ansible: {} },
        },
      },
      api: { replicas: 1, dnsPolicy: 'Default', tokensSecret: { name: 'clients' } },
      worker: {
        ...{ replicas: 1, dnsPolicy: 'Default' },
        environment: {
          KUBERNETES_SERVICE_HOST: server.host,
          KUBERNETES_SERVICE_PORT: String(server.port),
        },
      },
    },
    gate,
    whenKnocked: (count) =>
      waitFor(() => gate.knocks() >= count, {
        timeoutMs: SESSION_MS,
        what: `session ${count} to wait in its playbook`,
      }),
    async submit(name) {
      await ask('PATCH', '/v3/options', { report_wait: 1 });
      await ask('PUT', '/v3/configurations/one', {
        layers: [{ clone_url: git.href, commit: repository.commit, playbook: 'site.yml' }],
      });
      const target = { definition: 'spec', groups: [{ name: 'lab', members: ['localhost'] }] };
      await ask('POST', '/v3/sessions', { name, configuration_name: 'one', target });
    },
    async expectSuccess(name) {
      const session = await waitFor(
        async () => {
          const { body } = await ask('GET', `/v3/sessions/${name}`);
          const told = (body as SessionBody).status.session;
          return told.status === 'complete' ? told : undefined;
        },
        { timeoutMs: SESSION_MS, intervalMs: 250, what: `${name} to be complete` },
      );
      if (session.succeeded !== 'true') throw new Error(JSON.stringify(session));
      const { metadata } = (await site.findJobPod(name)) ?? {};
      const { body } = await ask('GET', `/v3/sessions/${name}/phases`);
      for (const { name: container } of (body as { phases: readonly PhaseBody[] }).phases) {
        const stored = await ask('GET', `/v3/sessions/${name}/logs?phase=${container}`);
        const pod = { namespace, name: metadata?.name ?? '', container };
        const printed = await core.readNamespacedPodLog(pod);
        if (stored.body !== printed) throw new Error(`The logs of ${container} differ.`);
      }
    },
    async findJobPod(session) {
      const labelSelector = `cfsession=${session}`;
      return (await core.listNamespacedPod({ namespace, labelSelector })).items[0];
    },
    async close() {
      for (const act of undo) await act();
    },
  };
  return site;
}

/** Finds an endpoint that is ready, as kube-proxy would. */
async function findEndpoint(config: KubeConfig, namespace: string, port: string): Promise<Target> {
  const labelSelector = 'kubernetes.io/service-name=keelson-api';
  const { items } = await config
    .makeApiClient(DiscoveryV1Api)
    .listNamespacedEndpointSlice({ namespace, labelSelector });
  for (const { endpoints = [], ports = [] } of items) {
    const address = endpoints.find(({ conditions }) => conditions?.ready === true)?.addresses[0];
    const number = ports.find(({ name }) => name === port)?.port;
    if (address !== undefined && number !== undefined) return { host: address, port: number };
  }
  throw new Error(`The Service has no endpoint for ${port}.`);
}

function renderPlaybook({ host, port }: Target): string {
  return `
- hosts: all
  connection: local
  gather_facts: false
  tasks:
    - ansible.builtin.wait_for: { host: ${host}, port: ${port}, search_regex: go, timeout: 300 }
`;
}

function toText({ host, port }: Target): string {
  return `${host}:${port}`;
}
