import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { CoreV1Api, Exec, KubeConfig, type V1Pod } from '@kubernetes/client-node';
import { stringify } from 'yaml';
import { startGitServer, type GitServer } from '../job/git-server.js';
import { createNamespace, IMAGE } from '../runner/kubernetes-harness.js';
import type { SessionBody } from '../support/cluster.js';
import { createRepository, type Repository } from '../support/git-repository.js';
import { waitFor } from '../support/wait.js';
import { openSite, type Layer, type Site } from './site.js';

const SESSION_MS = 180_000;

/** A site whose jobs run on the cluster of KUBECONFIG, in a namespace of its own and on this machine's network. */
export interface KubernetesSite extends Site {
  readonly config: KubeConfig;
  readonly core: CoreV1Api;
  readonly namespace: string;
  /** A layer of a repository that pods can reach. */
  httpLayer(files: Readonly<Record<string, string>>): Promise<Layer>;
  /** Configures these layers under the session's name, posts the session and waits until it runs this phase. */
  begin(name: string, layers: readonly object[], phase: string, request?: object): Promise<void>;
  whenComplete(name: string): Promise<SessionBody['status']['session']>;
  findPod(session: string): Promise<V1Pod | undefined>;
  /** The log as `kubectl logs` prints it. */
  podLog(session: string, container: string): Promise<string>;
  countSecrets(): Promise<number>;
  /** Runs a command as `kubectl exec` does. */
  execute(session: string, container: string, command: string[]): Promise<void>;
}

/** Adds `environment` to that of API and worker. */
export async function openKubernetesSite(
  environment: Readonly<Record<string, string>> = {},
): Promise<KubernetesSite> {
  const config = new KubeConfig();
  config.loadFromDefault();
  const core = config.makeApiClient(CoreV1Api);
  const namespace = await createNamespace(core);
  const directory = mkdtempSync(join(tmpdir(), 'keelson-kubernetes-'));
  const settings = join(directory, 'settings.yaml');
  writeFileSync(settings, SETTINGS);
  const site = await openSite({
    environment: {
      RUNNER: 'kubernetes',
      KUBERNETES_SETTINGS_FILE: settings,
      KUBERNETES_NAMESPACE: namespace,
      ...environment,
    },
  });
  const servers: GitServer[] = [];
  const serve = async ({ directory: repository }: Repository) => {
    execFileSync('git', ['update-server-info'], { cwd: repository });
    const server = await startGitServer({ directory: repository });
    servers.push(server);
    return server.url;
  };
  const repositories: Repository[] = [];
  await core.createNamespacedSecret({
    namespace,
    body: {
      metadata: { name: 'hosts' },
      stringData: { private: readFileSync(join(site.directory, 'user-key'), 'utf8') },
    },
  });
  const hosts = createInventory(site.hosts);
  repositories.push(hosts);
  const inventory = await serve(hosts);
  const list = async (session: string) => {
    const labelSelector = `cfsession=${session}`;
    return (await core.listNamespacedPod({ namespace, labelSelector })).items;
  };
  const configure = async (name: string, layers: readonly object[]) => {
    const { status, body } = await site.ask('PUT', `/v3/configurations/${name}`, {
      layers,
      additional_inventory: { clone_url: inventory, commit: hosts.commit },
    });
    if (status !== 200) throw new Error(JSON.stringify(body));
  };
  return {
    ...site,
    inventory: hosts,
    configure,
    config,
    core,
    namespace,
    async httpLayer(files) {
      const repository = createRepository({ files });
      repositories.push(repository);
      const url = await serve(repository);
      return { clone_url: url, commit: repository.commit, playbook: 'site.yml' };
    },
    async begin(name, layers, phase, request = {}) {
      await configure(name, layers);
      await site.submit(name, { configuration_name: name, ...request });
      await waitFor(
        async () =>
          (await site.phases(name)).some((each) => each.name === phase && each.state !== 'pending'),
        { timeoutMs: SESSION_MS, what: `${name} to run ${phase}` },
      );
    },
    async whenComplete(name) {
      const { status } = await site.waitUntilComplete(name, SESSION_MS);
      return status.session;
    },
    findPod: async (session) => (await list(session))[0],
    async podLog(session, container) {
      const name = (await list(session))[0]?.metadata?.name ?? '';
      return core.readNamespacedPodLog({ namespace, name, container });
    },
    async execute(session, container, command) {
      const name = (await list(session))[0]?.metadata?.name ?? '';
      const ended = Promise.withResolvers<undefined>();
      const { stdout, stderr } = process;
      await new Exec(config).exec(
        ...([namespace, name, container, command, stdout, stderr, null, false] as const),
        ({ status, message }) =>
          status === 'Success' ? ended.resolve(undefined) : ended.reject(new Error(message)),
      );
      await ended.promise;
    },
    async countSecrets() {
      const labelSelector = 'app.kubernetes.io/name=keelson-job';
      return (await core.listNamespacedSecret({ namespace, labelSelector })).items.length;
    },
    async close() {
      await site.close();
      for (const server of servers) await server.close();
      for (const repository of repositories) repository.remove();
      await core.deleteNamespace({ name: namespace });
      rmSync(directory, { recursive: true });
    },
  };
}

/** An inventory of the hosts with the key that a pod mounts, instead of a file of this machine. */
function createInventory(hosts: Site['hosts']): Repository {
  const variables = hosts.map(({ name, variables: all }) => {
    const kept = Object.entries(all).filter(([key]) => key !== 'ansible_ssh_private_key_file');
    return [name, Object.fromEntries(kept)];
  });
  const inventory = { all: { hosts: Object.fromEntries(variables) as object } };
  return createRepository({ files: { 'hosts.yaml': stringify(inventory) } });
}

const SETTINGS = `
image: ${IMAGE}
imagePullPolicy: Never
dnsPolicy: Default
hostNetwork: true
resources: { ansible: {} }
sshPrivateKey: { name: hosts }
`;
