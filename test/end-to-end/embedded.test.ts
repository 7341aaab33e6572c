import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import {
  closeSync,
  existsSync,
  mkdtempSync,
  openSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, afterEach, beforeAll, expect, test } from '@jest/globals';
import { stringify } from 'yaml';
import { findImageTools } from '../../src/image-service/tools.js';
import { findProcesses } from '../../scripts/lib/processes.mjs';
import { createRepository, type Repository } from '../support/git-repository.js';
import { findFreePort, startSshHost, type SshHost } from '../support/ssh-host.js';
import { waitFor } from '../support/wait.js';
import { findLeftovers } from './leftovers.js';
import { renderPlaybook, writes } from './site.js';

const PROGRAM = fileURLToPath(new URL('../../dist/embedded.js', import.meta.url));

let directory: string;
let host: SshHost;
let layer: Repository;
let inventory: Repository;
let service: ChildProcess | undefined;
let url: string;
beforeAll(async () => {
  directory = mkdtempSync(join(tmpdir(), 'keelson-embedded-'));
  host = await startSshHost({ name: 'node1', userKeyFile: join(directory, 'user-key') });
  layer = createRepository({
    files: {
      'site.yml': renderPlaybook(
        writes('runs', "{{ lookup('env', 'SESSION_NAME') }}"),
        `shell: while [ ! -e ${join(directory, 'go')} ]; do sleep 0.1; done`,
      ),
    },
  });
  const hosts = { [host.name]: host.variables };
  inventory = createRepository({
    files: { 'hosts.yaml': stringify({ all: { children: { lab: { hosts } } } }) },
  });
  url = `http://127.0.0.1:${await findFreePort()}`;
});
afterEach(() => stop('SIGTERM'));
afterAll(async () => {
  await host.remove();
  for (const repository of [layer, inventory]) repository.remove();
  rmSync(directory, { recursive: true, force: true });
});

test('a service that is stopped in the middle of a session completes it after the next start', async () => {
  await start();
  await waitFor(() => readLog().includes('INVENTORY_FILE or HSM_URL selects another source'), {
    what: 'it to say where nodes are',
  });
  await configure();
  await post('kept');
  await waitFor(() => readRuns() === 'kept\n', { what: 'the playbook to run' });
  const { job } = await find();
  const metrics = await ask('GET', '/metrics');
  if (typeof findImageTools() !== 'string') expect(await listImages()).toEqual([]);
  for (const name of ['keelson_dispatch_in_flight', 'keelson_jobs_watched', 'keelson_followers'])
    expect(metrics).toMatch(new RegExp(`^${name} \\d+$`, 'm'));
  await stop('SIGTERM');
  expect(findProcesses({ marks: [`KEELSON_JOB=${job}`] })).not.toEqual([]);
  expect(findProcesses({ texts: [join(data(), 'temporal.db')] })).toEqual([]);

  await start();
  expect(await find()).toMatchObject({ status: 'running', phase: 'ansible-0' });
  writeFileSync(join(directory, 'go'), '');
  await waitFor(async () => (await find()).status === 'complete');
  expect(await find()).toMatchObject({ succeeded: 'true', reason: null, job });
  expect(readRuns()).toBe('kept\n');
  await waitFor(() => findLeftovers(data(), job).length === 0, { what: 'nothing to be left' });
  expect(await ask('GET', '/v3/sessions/kept/logs?phase=ansible-0')).toBe(
    readFileSync(join(data(), 'jobs', job, 'logs', 'ansible-0.log'), 'utf8'),
  );
});

test('a session continues after Temporal has lost its file', async () => {
  await start();
  rmSync(join(directory, 'go'), { force: true });
  await configure();
  await post('moved');
  await waitFor(() => readRuns().includes('moved'), { what: 'the playbook' });
  const { job } = await find('moved');
  await stop('SIGTERM');
  writeFileSync(join(data(), 'temporal.db'), 'not what it was');

  await start();
  writeFileSync(join(directory, 'go'), '');
  await waitFor(async () => (await find('moved')).status === 'complete');
  expect(await find('moved')).toMatchObject({ succeeded: 'true', reason: null, job });
  expect(readRuns().match(/moved/g)).toHaveLength(1);
});

test('a session that got a place continues although Temporal has lost the signal', async () => {
  await start();
  rmSync(join(directory, 'go'), { force: true });
  await configure();
  await ask('PATCH', '/v3/options', { max_running_sessions: 1 });
  await post('first');
  await waitFor(() => readRuns().includes('first'), { what: 'the first playbook' });
  await post('second');
  await waitFor(async () => (await find('second')).queue_place === 1);
  await stop('SIGTERM');
  const files = ['temporal.db', 'temporal.db-wal'].map((name) => join(data(), name));
  const kept = files.map((file) => (existsSync(file) ? readFileSync(file) : undefined));

  await start();
  await ask('POST', '/v3/sessions/first/cancel', {});
  await waitFor(() => readRuns().includes('second'), { what: 'the second playbook' });
  await stop('SIGTERM');
  rmSync(join(data(), 'temporal.db-shm'), { force: true });
  for (const [index, file] of files.entries()) {
    const bytes = kept[index];
    if (bytes === undefined) rmSync(file, { force: true });
    else writeFileSync(file, bytes);
  }

  await start();
  writeFileSync(join(directory, 'go'), '');
  await waitFor(async () => (await find('second')).status === 'complete');
  expect(await find('second')).toMatchObject({ succeeded: 'true', reason: null });
  expect(readRuns().match(/second/g)).toHaveLength(1);
}, 300_000);

const configure = () =>
  ask('PUT', '/v3/configurations/one', {
    layers: [{ clone_url: layer.url, commit: layer.commit, playbook: 'site.yml' }],
    additional_inventory: { clone_url: inventory.url, commit: inventory.commit },
  });
const post = (name: string) =>
  ask('POST', '/v3/sessions', {
    name,
    configuration_name: 'one',
    target: { definition: 'repo' },
  });

const data = () => join(directory, 'data');
const listImages = async () => {
  const { images } = JSON.parse(readFileSync(join(data(), 'service.json'), 'utf8')) as {
    images: string;
  };
  return (await fetch(`${images}/v3/images`)).json();
};
const readLog = () => readFileSync(join(directory, 'service.log'), 'utf8');
const readRuns = () => {
  try {
    return readFileSync(join(host.directory, 'runs'), 'utf8');
  } catch {
    return '';
  }
};

async function start(): Promise<void> {
  const log = join(directory, 'service.log');
  const output = openSync(log, 'a');
  const child = spawn(process.execPath, [PROGRAM], {
    env: {
      ...process.env,
      KEELSON_DATA: data(),
      API_LISTEN: url.replace('http://', ''),
      TEMPORAL_ADDRESS: '',
      TEMPORAL_PORT: '0',
      TEMPORAL_UI_PORT: '0',
      GIT_ALLOW_PROTOCOL: 'file',
      SSH_PRIVATE_KEY_FILE: host.userKeyFile,
    },
    stdio: ['ignore', output, output],
  });
  closeSync(output);
  service = child;
  await waitFor(
    async () => {
      if (child.exitCode !== null) throw new Error(readFileSync(log, 'utf8').slice(-2000));
      return (await fetch(`${url}/healthz/ready`)).ok;
    },
    { what: 'the service to start' },
  );
}

async function stop(signal: NodeJS.Signals): Promise<void> {
  const running = service;
  service = undefined;
  if (running === undefined || running.exitCode !== null) return;
  const gone = once(running, 'exit');
  running.kill(signal);
  expect(await gone).toEqual([0, null]);
}

async function find(name = 'kept') {
  const session = (await ask('GET', `/v3/sessions/${name}`)) as {
    status: {
      session: Record<'job' | 'status' | 'phase' | 'succeeded', string> & {
        readonly queue_place: number | null;
      };
    };
  };
  return session.status.session;
}

async function ask(method: string, path: string, body?: object): Promise<unknown> {
  const response = await fetch(`${url}${path}`, {
    method,
    ...(body === undefined
      ? {}
      : { body: JSON.stringify(body), headers: { 'content-type': 'application/json' } }),
  });
  const text = await response.text();
  if (!response.ok) throw new Error(`${method} ${path}: ${text}`);
  return response.headers.get('content-type')?.includes('json') ? JSON.parse(text) : text;
}
