import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { openSync, closeSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Client, Connection } from '@temporalio/client';
import { stringify } from 'yaml';
import { toServerSettings } from '../../src/process/dev-server.js';
import { parseConfig } from '../../src/config.js';
import { createRepository, type Repository } from './git-repository.js';
import { findFreePort, startSshHost, type SshHost } from './ssh-host.js';
import { waitFor } from './wait.js';

const DIST = fileURLToPath(new URL('../../dist/', import.meta.url));

/** API, worker and Temporal as separate processes that a test may kill, and real SSH hosts. */
export interface Cluster {
  readonly directory: string;
  readonly api: ManagedProcess;
  readonly worker: ManagedProcess;
  readonly temporal: ManagedProcess;
  readonly hosts: readonly SshHost[];
  /** Additional inventory with the hosts' addresses; group `lab` has them all. */
  readonly inventory: Repository;
  readonly url: string;
  readonly temporalAddress: string;
  /** Environment with which API and worker are started the next time. */
  readonly environment: NodeJS.ProcessEnv;
  ask(method: string, path: string, body?: unknown): Promise<Answer>;
  /** Stores a configuration with these layers and the additional inventory. */
  configure(name: string, layers: readonly object[]): Promise<void>;
  submit(name: string, request?: object): Promise<void>;
  find(name: string): Promise<SessionBody>;
  waitUntilComplete(name: string, timeoutMs?: number): Promise<SessionBody>;
  log(name: string, phase: string): Promise<string>;
  phases(name: string): Promise<readonly PhaseBody[]>;
  temporalClient(): Promise<Client>;
  /** Another API and worker with these variables, not started yet. */
  another(name: string, environment: Readonly<Record<string, string>>): Promise<Replica>;
  /** From now on, API and worker are started from this `dist`, of another version. Default: of this version. */
  install(dist?: string): void;
  close(): Promise<void>;
}

export interface Replica {
  readonly url: string;
  readonly api: ManagedProcess;
  readonly worker: ManagedProcess;
}

export interface Answer {
  readonly status: number;
  readonly body: unknown;
}

export interface SessionBody {
  readonly name: string;
  readonly status: {
    readonly session: Readonly<
      Record<
        | 'status'
        | 'succeeded'
        | 'reason'
        | 'message'
        | 'phase'
        | 'host'
        | 'task'
        | 'job'
        | 'held_until',
        string | null
      >
    >;
  };
}

export interface PhaseBody {
  readonly name: string;
  readonly state: string;
  readonly result: string | null;
  readonly exit_code: number | null;
  readonly log_bytes: number;
  readonly hold: { readonly since: string } | null;
}

export interface ManagedProcess {
  readonly pid: number;
  start(): Promise<void>;
  /** Resolves once the process is gone, with its exit code if it had one. */
  kill(signal?: NodeJS.Signals): Promise<number | null>;
  /** Stops the process, without its noticing, until `thaw`. */
  freeze(): void;
  thaw(): void;
  output(): string;
}

export interface ClusterOptions {
  readonly hosts?: readonly string[];
  /** HSM groups in addition to `lab`, which has all hosts. */
  readonly environment?: Readonly<Record<string, string>>;
  /** Token for requests to the API. */
  readonly token?: string;
  /** The `dist` that API and worker are started from, until `install`. Default: of this version. */
  readonly dist?: string;
  /** Called with the directory before anything runs. Returns how to undo it once nothing runs any more. */
  readonly prepare?: (directory: string) => () => void;
}

export async function startCluster({
  hosts: names = ['node1', 'node2'],
  environment = {},
  token,
  dist = DIST,
  prepare = () => () => undefined,
}: ClusterOptions = {}): Promise<Cluster> {
  const directory = mkdtempSync(join(tmpdir(), 'keelson-e2e-'));
  const takeBack = prepare(directory);
  const keyFile = join(directory, 'user-key');
  const hosts: SshHost[] = [];
  for (const name of names) hosts.push(await startSshHost({ name, userKeyFile: keyFile }));
  const inventory = createInventory(hosts);
  const inventoryFile = join(directory, 'inventory.yaml');
  writeFileSync(inventoryFile, stringify({ groups: [{ label: 'lab', members: { ids: names } }] }));
  const [apiPort, temporalPort] = [await findFreePort(), await findFreePort()];
  const temporalAddress = `127.0.0.1:${temporalPort}`;
  const env = {
    ...process.env,
    KEELSON_DATA: join(directory, 'data'),
    API_LISTEN: `127.0.0.1:${apiPort}`,
    TEMPORAL_ADDRESS: temporalAddress,
    GIT_ALLOW_PROTOCOL: 'file:http:https:ssh',
    INVENTORY_FILE: inventoryFile,
    SSH_PRIVATE_KEY_FILE: keyFile,
    ...environment,
  };
  const temporal = createTemporal(directory, temporalPort);
  let installed = dist;
  const toProgram = (file: string) => join(installed, file);
  const first = createReplica({ directory, suffix: '', port: apiPort, env, toProgram });
  const replicas = [first];
  let connection: Connection | undefined;
  const cluster: Cluster = {
    ...{ directory, ...first, temporal, hosts, inventory, temporalAddress, environment: env },
    ...createRequests(first.url, token, inventory),
    async temporalClient() {
      connection ??= await Connection.connect({ address: temporalAddress });
      return new Client({ connection });
    },
    async another(name, own) {
      const port = await findFreePort();
      const listening = { ...env, API_LISTEN: `127.0.0.1:${port}`, ...own };
      const replica = createReplica({
        ...{ directory, suffix: `-${name}`, port, env: listening, toProgram },
      });
      replicas.push(replica);
      return replica;
    },
    install(other = DIST) {
      installed = other;
    },
    async close() {
      await connection?.close();
      const parts = replicas.flatMap((replica) => [replica.worker, replica.api]);
      for (const part of [...parts, temporal]) await part.kill('SIGTERM');
      for (const host of hosts) await host.remove();
      inventory.remove();
      takeBack();
      rmSync(directory, { recursive: true, force: true });
    },
  };
  try {
    await temporal.start();
    await Promise.all([first.api.start(), first.worker.start()]);
  } catch (error) {
    await cluster.close();
    throw error;
  }
  return cluster;
}

function createInventory(hosts: readonly SshHost[]): Repository {
  return createRepository({
    files: {
      'hosts.yaml': stringify({
        all: { hosts: Object.fromEntries(hosts.map(({ name, variables }) => [name, variables])) },
      }),
    },
  });
}

interface ReplicaOptions {
  readonly directory: string;
  readonly suffix: string;
  readonly port: number;
  readonly env: NodeJS.ProcessEnv;
  readonly toProgram: (file: string) => string;
}

function createReplica({ directory, suffix, port, env, toProgram }: ReplicaOptions): Replica {
  const url = `http://127.0.0.1:${port}`;
  const program = (name: string, file: string) => ({
    ...{ name: `${name}${suffix}`, directory, env },
    ...{ command: process.execPath, toArguments: () => [toProgram(file)] },
  });
  const worker = manage(program('worker', 'worker.js'), () =>
    Promise.resolve(worker.output().includes('worker started')),
  );
  const isLive = async () => (await fetch(`${url}/healthz/live`)).ok;
  return { url, api: manage(program('api', 'api/server.js'), isLive), worker };
}

function createTemporal(directory: string, port: number): ManagedProcess {
  const program = {
    ...{ name: 'temporal', directory, env: process.env },
    command: parseConfig(process.env).temporal.cli,
    toArguments: () => [
      ...['server', 'start-dev', '--headless', '--ip', '127.0.0.1', '--port', String(port)],
      ...['--db-filename', join(directory, 'temporal.db')],
      ...['--log-level', 'error', '--log-format', 'json'],
      ...toServerSettings(),
    ],
  };
  return manage(program, () => canConnect(`127.0.0.1:${port}`));
}

async function canConnect(address: string): Promise<boolean> {
  const connection = await Connection.connect({ address, connectTimeout: 1000 });
  await connection.workflowService.describeNamespace({ namespace: 'default' });
  await connection.close();
  return true;
}

type Requests = Pick<
  Cluster,
  'ask' | 'configure' | 'submit' | 'find' | 'waitUntilComplete' | 'log' | 'phases'
>;

function createRequests(url: string, token: string | undefined, inventory: Repository): Requests {
  const ask: Cluster['ask'] = async (method, path, body) => {
    const response = await fetch(`${url}${path}`, {
      method,
      headers: {
        ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
        ...(body === undefined ? {} : { 'content-type': 'application/json' }),
      },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    const text = await response.text();
    const isJson = response.headers.get('content-type')?.includes('json') === true && text !== '';
    return { status: response.status, body: isJson ? (JSON.parse(text) as unknown) : text };
  };
  const expectOk = async (method: string, path: string, body?: unknown) => {
    const answer = await ask(method, path, body);
    if (answer.status >= 300) throw new Error(`${method} ${path}: ${JSON.stringify(answer)}`);
    return answer.body;
  };
  const find = async (name: string) =>
    (await expectOk('GET', `/v3/sessions/${name}`)) as SessionBody;
  return {
    ask,
    async configure(name, layers) {
      await expectOk('PUT', `/v3/configurations/${name}`, {
        layers,
        additional_inventory: { clone_url: inventory.url, commit: inventory.commit },
      });
    },
    async submit(name, request = {}) {
      await expectOk('POST', '/v3/sessions', { name, ...request });
    },
    find,
    waitUntilComplete: (name, timeoutMs = 110_000) =>
      waitFor(
        async () => {
          const session = await find(name);
          return session.status.session.status === 'complete' ? session : undefined;
        },
        { timeoutMs, what: `${name} to be complete` },
      ),
    log: async (name, phase) =>
      (await expectOk('GET', `/v3/sessions/${name}/logs?phase=${phase}`)) as string,
    phases: async (name) =>
      ((await expectOk('GET', `/v3/sessions/${name}/phases`)) as { phases: PhaseBody[] }).phases,
  };
}

interface Program {
  readonly name: string;
  readonly command: string;
  readonly toArguments: () => readonly string[];
  readonly env: NodeJS.ProcessEnv;
  /** Gets the log. */
  readonly directory: string;
}

function manage(
  { name, command, toArguments, env, directory }: Program,
  isReady: () => Promise<boolean>,
): ManagedProcess {
  const file = join(directory, `${name}.log`);
  let child: ChildProcess | undefined;
  let from = 0;
  const read = () => readFileSync(file, 'utf8');
  return {
    get pid() {
      if (child?.pid === undefined) throw new Error(`${name} does not run.`);
      return child.pid;
    },
    async start() {
      const output = openSync(file, 'a');
      from = read().length;
      const started = spawn(command, toArguments(), { env, stdio: ['ignore', output, output] });
      child = started;
      closeSync(output);
      const ended = once(started, 'exit').then(() => {
        throw new Error(`${name} ended: ${read().slice(from)}`);
      });
      ended.catch(() => undefined);
      const ready = waitFor(isReady, { what: `${name} to start (${file})` });
      await Promise.race([ready, ended]);
    },
    async kill(signal = 'SIGKILL') {
      const running = child;
      child = undefined;
      if (running?.pid === undefined || running.exitCode !== null || running.signalCode !== null)
        return running?.exitCode ?? null;
      const gone = once(running, 'exit');
      running.kill(signal);
      // A frozen process reacts to no signal but SIGKILL.
      running.kill('SIGCONT');
      await gone;
      return running.exitCode;
    },
    freeze: () => void child?.kill('SIGSTOP'),
    thaw: () => void child?.kill('SIGCONT'),
    output: () => read().slice(from),
  };
}
