import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { waitFor } from '../support/wait.js';
import {
  startCluster,
  type Cluster,
  type ClusterOptions,
  type SessionBody,
} from '../support/cluster.js';
import { createRepository, type Repository } from '../support/git-repository.js';
import { findLeftovers } from './leftovers.js';

/** A cluster, and the repositories that a test file makes for it. */
export interface Site extends Cluster {
  /** A repository that is removed with the site. */
  repository(files: Readonly<Record<string, string>>): Repository;
  /** A layer of a repository of its own. */
  layer(files: Readonly<Record<string, string>>, playbook?: string): Layer;
  /** Configures these layers under the session's name, posts the session and waits for its end. */
  run(name: string, layers: readonly object[], request?: object): Promise<Ended>;
  /** Waits for the end of the session and checks that nothing is left. */
  whenOver(name: string): Promise<Ended>;
  whenPhase(name: string, phase: string): Promise<void>;
  /** Fails unless everything that the job must not leave is gone within seconds. */
  expectNothingLeft(job: string): Promise<void>;
  readJobFile(job: string, ...path: readonly string[]): string;
  /** The content of this file on each host, by the host's name; undefined if the host has no such file. */
  made(file: string): Readonly<Record<string, string | undefined>>;
}

export interface Layer {
  readonly clone_url: string;
  readonly commit: string;
  readonly playbook: string;
}

export type Ended = SessionBody['status']['session'] & { readonly job: string };

export async function openSite(options: ClusterOptions = {}): Promise<Site> {
  const cluster = await startCluster(options);
  const repositories: Repository[] = [];
  const site: Site = {
    ...cluster,
    repository(files) {
      const repository = createRepository({ files });
      repositories.push(repository);
      return repository;
    },
    layer(files, playbook = 'site.yml') {
      const { url, commit } = site.repository(files);
      return { clone_url: url, commit, playbook };
    },
    async run(name, layers, request = {}) {
      await cluster.configure(name, layers);
      await cluster.submit(name, { configuration_name: name, ...request });
      return site.whenOver(name);
    },
    async whenOver(name) {
      const { status } = await cluster.waitUntilComplete(name);
      const ended = { ...status.session, job: status.session.job ?? '' };
      await site.expectNothingLeft(ended.job);
      return ended;
    },
    async whenPhase(name, phase) {
      await waitFor(
        async () => {
          const phases = await cluster.phases(name);
          return phases.some((each) => each.name === phase && each.state !== 'pending');
        },
        { what: `${name} to run ${phase}` },
      );
    },
    expectNothingLeft: (job) => expectNothingLeft(cluster, job),
    readJobFile: (job, ...path) =>
      readFileSync(join(cluster.directory, 'data', 'jobs', job, ...path), 'utf8'),
    made: (file) =>
      Object.fromEntries(
        cluster.hosts.map(({ name, directory }) => [name, readIfThere(join(directory, file))]),
      ),
    async close() {
      await cluster.close();
      for (const repository of repositories) repository.remove();
    },
  };
  return site;
}

/** A playbook of these tasks, each one or more lines of YAML, for all hosts of the additional inventory. */
export function renderPlaybook(...tasks: readonly string[]): string {
  return renderPlay('lab', ...tasks);
}

export function renderPlay(hosts: string, ...tasks: readonly string[]): string {
  const list = tasks.map((task) => `    - ${task.trim().replaceAll('\n', '\n      ')}\n`);
  return `- hosts: ${hosts}\n  gather_facts: false\n  tasks:\n${list.join('')}`;
}

/** A task that appends a line to a file in the host's own directory. */
export function writes(file: string, line: string): string {
  return `shell: echo "${line}" >> "$KEELSON_WORLD/${file}"`;
}

/** A playbook that outlasts the test. */
export const endless = renderPlaybook(
  writes('begun', "{{ lookup('env', 'SESSION_NAME') }}"),
  'shell: exec sleep 600',
);

async function expectNothingLeft({ directory }: Cluster, job: string): Promise<void> {
  let left: readonly string[] = [];
  const look = () => (left = findLeftovers(join(directory, 'data'), job)).length === 0;
  try {
    await waitFor(look);
  } catch {
    throw new Error(`${job} left behind: ${left.join(', ')}`);
  }
}

function readIfThere(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}
