import { mkdirSync, readFileSync, rmSync, writeFileSync, existsSync } from 'node:fs';
import { join } from 'node:path';
import type { Cluster } from './cluster.js';
import { createRepository } from './git-repository.js';
import { waitFor } from './wait.js';

/** Cheap sessions: one playbook on this machine, in which each waits until it is released. */
export interface LightSite {
  /** Posts the sessions, to the cluster's API or to `urls` in turn, and waits until each is in its playbook. */
  hold(names: readonly string[], urls?: readonly string[]): Promise<void>;
  release(names: readonly string[]): void;
  /** How often the session's playbook ran. */
  runs(name: string): number;
  close(): void;
}

const CONFIGURATION = 'light';

export async function createLightSite(cluster: Cluster): Promise<LightSite> {
  const gates = join(cluster.directory, 'light');
  mkdirSync(gates);
  const repository = createRepository({ files: { 'site.yml': renderPlaybook(gates) } });
  const { status, body } = await cluster.ask('PUT', `/v3/configurations/${CONFIGURATION}`, {
    layers: [{ clone_url: repository.url, commit: repository.commit, playbook: 'site.yml' }],
  });
  if (status !== 200) throw new Error(JSON.stringify(body));
  const gate = (name: string) => join(gates, `${name}.gate`);
  return {
    async hold(names, urls = [cluster.url]) {
      for (const name of names) writeFileSync(gate(name), '');
      await Promise.all(names.map((name, index) => post(urls[index % urls.length] ?? '', name)));
      for (const name of names) {
        await waitFor(() => existsSync(join(gates, `${name}.runs`)), {
          timeoutMs: 120_000,
          what: `${name} to be in its playbook`,
        });
      }
    },
    release(names) {
      for (const name of names) rmSync(gate(name));
    },
    runs: (name) =>
      readFileSync(join(gates, `${name}.runs`), 'utf8')
        .trim()
        .split('\n').length,
    close: () => repository.remove(),
  };
}

async function post(url: string, name: string): Promise<void> {
  const response = await fetch(`${url}/v3/sessions`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ name, configuration_name: CONFIGURATION }),
  });
  const body = await response.text();
  if (response.status !== 201) throw new Error(`POST of ${name}: ${response.status} ${body}`);
}

function renderPlaybook(gates: string): string {
  return `- hosts: localhost
  connection: local
  gather_facts: false
  vars:
    file: "${gates}/{{ lookup('env', 'SESSION_NAME') }}"
  tasks:
    - name: Say that this playbook runs, and wait for the test
      shell: echo run >> "{{ file }}.runs"; while [ -e "{{ file }}.gate" ]; do sleep 0.2; done
`;
}
