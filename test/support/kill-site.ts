import { execFileSync } from 'node:child_process';
import {
  chmodSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { readFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import { dirname, join } from 'node:path';
import type { Cluster } from './cluster.js';
import { createRepository } from './git-repository.js';
import { listen, stopListening } from './listen.js';
import { waitFor } from './wait.js';

export const PHASES = [
  ...['git-clone-0', 'git-clone-1', 'git-clone-hosts', 'inventory'],
  ...['ansible-0', 'ansible-1'],
] as const;
export type HeldPhase = (typeof PHASES)[number];
const CLONES: readonly HeldPhase[] = ['git-clone-0', 'git-clone-1', 'git-clone-hosts'];

/** Sessions of one configuration, each of which a test can hold in a phase for as long as it wants. */
export interface KillSite {
  /** Posts a session that waits in this phase. */
  submit(name: string, heldIn?: HeldPhase): Promise<void>;
  whenHeld(name: string, phase: HeldPhase): Promise<void>;
  release(name: string, phase: HeldPhase): void;
  /** Posts a session whose second playbook fails until it is corrected, and is then held by Keelson. */
  submitFailing(name: string): Promise<void>;
  /** Resolves when Keelson holds it, with the beginning of the hold. */
  whenFailed(name: string): Promise<string>;
  /** The playbook will succeed when it runs again. */
  correct(name: string): void;
  /** Resolves when the session's job has ended, whoever watches it. */
  whenJobEnds(name: string): Promise<void>;
  /** Undefined before the launch. */
  jobDirectory(name: string): string | undefined;
  /** The runs of the session's playbooks that each host has noted. */
  runs(name: string): readonly string[];
  /** Serves the repositories. While it is stopped, nothing listens at its address. */
  readonly git: GitServer;
  /** Posts a session for whose inventory Keelson itself must ask the git server for the commit. */
  submitUnpinned(name: string): Promise<void>;
  close(): Promise<void>;
}

export interface GitServer {
  readonly url: string;
  start(): Promise<void>;
  /** Also breaks requests that are under way. */
  stop(): Promise<void>;
}

export const CONFIGURATION = 'killed';
const UNPINNED = 'unpinned';
const MOST_MS = 180_000;
/** A held phase waits while this file exists, and creates `<file>.reached` when it begins to wait. */
const holdFile = (gates: string, name: string, phase: string) => join(gates, `${name}.${phase}`);
/** The second playbook fails while this file exists. */
const faultFile = (gates: string, name: string) => join(gates, `${name}.fault`);

export interface KillSiteOptions {
  /** Jobs share this machine's loopback addresses, but none of its files. */
  readonly isApart?: boolean;
}

export async function createKillSite(
  cluster: Cluster,
  { isApart = false }: KillSiteOptions = {},
): Promise<KillSite> {
  const gates = join(cluster.directory, 'gates');
  mkdirSync(gates);
  const repository = createRepository({
    files: { 'site.yml': renderPlaybook(gates, 0), 'second.yml': renderPlaybook(gates, 1) },
    config: { 'receive.updateServerInfo': 'true' },
  });
  // Served as plain files, so that a fetch takes several requests and falls back to fetching everything.
  const server = await startHoldingServer(gates, {
    'repository.git': repository.directory,
    'hosts.git': cluster.inventory.directory,
  });
  await configure(cluster, repository.commit, server.url, {
    script: isApart ? renderRemoteScript(server.url) : renderInventoryScript(gates),
    inventoryUrl: isApart ? `${server.url}/hosts.git` : cluster.inventory.url,
  });
  return {
    async submit(name, heldIn) {
      if (heldIn !== undefined) writeFileSync(holdFile(gates, name, heldIn), '');
      const configuration_name =
        heldIn !== undefined && CLONES.includes(heldIn)
          ? await configureHeld(cluster, name, heldIn, server.url)
          : CONFIGURATION;
      await cluster.submit(name, { configuration_name });
    },
    async whenHeld(name, phase) {
      const mark = `${holdFile(gates, name, phase)}.reached`;
      await waitFor(() => existsSync(mark), { timeoutMs: MOST_MS, what: `${name} in ${phase}` });
    },
    release: (name, phase) => rmSync(holdFile(gates, name, phase)),
    async submitFailing(name) {
      writeFileSync(faultFile(gates, name), '');
      await cluster.submit(name, { configuration_name: CONFIGURATION, debug_on_failure: true });
    },
    whenFailed: (name) =>
      waitFor(
        async () => {
          const { held_until: until } = (await cluster.find(name)).status.session;
          const phase = (await cluster.phases(name)).find((each) => each.hold !== null);
          return until === null ? undefined : phase?.hold?.since;
        },
        { timeoutMs: MOST_MS, what: `${name} to be held` },
      ),
    correct: (name) => rmSync(faultFile(gates, name), { force: true }),
    async whenJobEnds(name) {
      await waitFor(() => existsSync(join(findJob(cluster, name) ?? '', 'ended')), {
        timeoutMs: MOST_MS,
        what: `the job of ${name} to end`,
      });
    },
    jobDirectory: (name) => findJob(cluster, name),
    runs: (name) =>
      cluster.hosts.flatMap((host) => {
        const file = join(host.directory, `runs-${name}`);
        const text = existsSync(file) ? readFileSync(file, 'utf8').trimEnd() : '';
        return text === '' ? [] : text.split('\n').map((line) => `${host.name} ${line}`);
      }),
    git: server,
    submitUnpinned: (name) => cluster.submit(name, { configuration_name: UNPINNED }),
    async close() {
      await server.stop();
      repository.remove();
    },
  };
}

function findJob(cluster: Cluster, name: string): string | undefined {
  const jobs = join(cluster.directory, 'data', 'jobs');
  const names = existsSync(jobs) ? readdirSync(jobs) : [];
  const job = names.find((each) => new RegExp(`^cfs-${name}-[0-9a-f]{8}$`).test(each));
  return job === undefined ? undefined : join(jobs, job);
}

interface Configuration {
  readonly layers: readonly object[];
  readonly additional_inventory: object;
}

async function put(cluster: Cluster, name: string, configuration: object): Promise<void> {
  const { status, body } = await cluster.ask('PUT', `/v3/configurations/${name}`, configuration);
  if (status !== 200) throw new Error(`PUT ${name}: ${JSON.stringify(body)}`);
}

async function configure(
  cluster: Cluster,
  commit: string,
  url: string,
  { script, inventoryUrl }: { readonly script: string; readonly inventoryUrl: string },
) {
  const { inventory } = cluster;
  const file = join(dirname(inventory.directory), 'tree', 'held');
  writeFileSync(file, script);
  chmodSync(file, 0o755);
  const hosts = inventory.addCommit({});
  execFileSync('git', ['-C', inventory.directory, 'update-server-info']);
  const layer = (playbook: string) => ({
    clone_url: `${url}/repository.git`,
    commit,
    playbook,
  });
  const layers = [layer('site.yml'), layer('second.yml')];
  await put(cluster, CONFIGURATION, {
    layers,
    additional_inventory: { clone_url: inventoryUrl, commit: hosts },
  });
  // Used only by configurations without an inventory of their own.
  await cluster.ask('PATCH', '/v3/options', { additional_inventory_url: `${url}/hosts.git` });
  await put(cluster, UNPINNED, { layers });
}

/** The same configuration, but what this phase clones has an address at which the session can be held. */
async function configureHeld(cluster: Cluster, name: string, phase: HeldPhase, url: string) {
  const { body } = await cluster.ask('GET', `/v3/configurations/${CONFIGURATION}`);
  const { layers, additional_inventory } = body as Configuration;
  const at = (repository: string) => ({ clone_url: `${url}/${name}/${phase}/${repository}` });
  const configuration = `${CONFIGURATION}-${name}`;
  await put(cluster, configuration, {
    layers: layers.map((layer, index) =>
      phase === `git-clone-${index}` ? { ...layer, ...at('repository.git') } : layer,
    ),
    additional_inventory:
      phase === 'git-clone-hosts'
        ? { ...additional_inventory, ...at('hosts.git') }
        : additional_inventory,
  });
  return configuration;
}

const FAIL = `
    - name: Fail until the test has corrected this
      shell: test ! -e "{{ fault }}"`;

function renderPlaybook(gates: string, index: number): string {
  return `- hosts: lab
  gather_facts: false
  vars:
    session: "{{ lookup('env', 'SESSION_NAME') }}"
    hold: "${gates}/{{ session }}.ansible-${index}"
    fault: "${gates}/{{ session }}.fault"
  tasks:${index === 0 ? '' : FAIL}
    - name: Say that this playbook runs
      shell: echo "ansible-${index}" >> "$KEELSON_WORLD/runs-{{ session }}"
    - name: Wait for the test
      shell: touch "{{ hold }}.reached"; while [ -e "{{ hold }}" ]; do sleep 0.1; done
    - name: Say something long
      debug:
        msg: "{{ range(0, 200) | map('string') | join(' ö ') }}"
`;
}

function renderInventoryScript(gates: string): string {
  return `#!/bin/sh
session=\${KEELSON_JOB#cfs-}
hold="${gates}/\${session%-*}.inventory"
touch "$hold.reached"
while [ -e "$hold" ]; do sleep 0.1; done
echo '{"_meta": {"hostvars": {}}}'
`;
}

function renderRemoteScript(url: string): string {
  return `#!/usr/bin/env python3
import os, urllib.request
session = os.environ["KEELSON_JOB"][len("cfs-"):].rsplit("-", 1)[0]
urllib.request.urlopen(f"${url}/{session}/inventory/hosts.git/HEAD").read()
print('{"_meta": {"hostvars": {}}}')
`;
}

/** Requests to `/<session>/<phase>/<repository>/...` wait while the phase is held; requests to `/<repository>/...` never do. */
async function startHoldingServer(
  gates: string,
  repositories: Readonly<Record<string, string>>,
): Promise<GitServer> {
  const serve = async (pathname: string) => {
    const [, name, phase = '', repository = '', file = ''] =
      /^\/(?:([^/]+)\/([^/]+)\/)?([^/]+\.git)\/(.*)$/.exec(pathname) ?? [];
    if (name !== undefined) {
      const hold = holdFile(gates, name, phase);
      writeFileSync(`${hold}.reached`, '');
      await waitFor(() => !existsSync(hold), { timeoutMs: 2 * MOST_MS });
    }
    return readFile(join(repositories[repository] ?? '', file));
  };
  const server = createServer((request, response) => {
    serve(new URL(request.url ?? '/', 'http://localhost').pathname).then(
      (content) => response.writeHead(200).end(content),
      () => response.writeHead(404).end(),
    );
  });
  const port = await listen(server);
  return {
    url: `http://127.0.0.1:${port}`,
    async start() {
      await listen(server, port);
    },
    stop: () => stopListening(server),
  };
}
