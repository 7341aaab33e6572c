import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { homedir, tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { WITHOUT_KILL } from '../support/foreign-process.js';
import { findPython } from '../support/ssh-host.js';
import { waitFor } from '../support/wait.js';

export const PROJECT = resolve(import.meta.dirname, '../..');
export const CACHE = process.env['KEELSON_CACHE'] ?? join(homedir(), '.cache/keelson');
export const ANSIBLE =
  process.env['ANSIBLE_PLAYBOOK'] ?? join(CACHE, 'ansible/bin/ansible-playbook');
export const TOKEN = 'token-0123456789abcdef';

export interface JobOptions {
  readonly phases: readonly Record<string, unknown>[];
  readonly plan?: Record<string, unknown>;
  /** Relative to the job's directory. */
  readonly files?: Record<string, string | Uint8Array>;
  /** More environment of the supervisor. */
  readonly environment?: Record<string, string>;
}

export interface PhaseFile {
  readonly state: string;
  readonly started_at: string | null;
  readonly ended_at: string | null;
  readonly exit_code: number | null;
  readonly killed: string | null;
  readonly unstarted: string | null;
  readonly log_bytes: number;
}

export interface TestJob {
  readonly directory: string;
  readonly id: string;
  path(...names: string[]): string;
  /** Starts the supervisor. */
  start(): ChildProcess;
  /** Starts the wrapper of one phase. A piped output must be read to its end. A number is a file descriptor. */
  startPhase(
    phase: string,
    output?: 'ignore' | 'pipe' | number,
    ...options: string[]
  ): ChildProcess;
  /** Runs as an ordinary user, who may not signal the processes of others. */
  startWithoutKill(...argv: string[]): ChildProcess;
  /** Ends what `FOREIGN_DAEMON` left running. */
  killForeign(): Promise<void>;
  /** Runs the whole job to its end. */
  run(): Promise<void>;
  phase(name: string): PhaseFile | undefined;
  log(name: string): string;
  waitForLog(name: string, text: string): Promise<void>;
  remove(): void;
}

/** The interpreter itself: a shim would have children that are no wrappers. */
const PYTHON = findPython();

/** A clock for a job, which is set back by an hour when the file `mark` is made. */
export function createClock() {
  const directory = mkdtempSync(join(tmpdir(), 'keelson-clock-'));
  const mark = join(directory, 'back');
  writeFileSync(
    join(directory, 'sitecustomize.py'),
    `import os, time
now = time.time
time.time = lambda: now() - 3600 * os.path.exists("${mark}")
`,
  );
  return {
    environment: { PYTHONPATH: directory },
    mark,
    remove: () => rmSync(directory, { recursive: true }),
  };
}

let count = 0;

export function createJob({
  phases,
  plan = {},
  files = {},
  environment = {},
}: JobOptions): TestJob {
  const directory = mkdtempSync(join(tmpdir(), 'keelson-job-'));
  const id = `cfs-job-test-${process.pid}-${++count}`;
  const path = (...names: string[]) => join(directory, ...names);
  const all = {
    'secrets/token': TOKEN,
    'workspace/ansible.cfg': readFileSync(join(PROJECT, 'job/ansible.cfg')),
    'job.json': JSON.stringify({ ...planOf(id), phases, ...plan }),
    ...files,
  };
  for (const [name, content] of Object.entries(all)) {
    mkdirSync(dirname(path(name)), { recursive: true, mode: 0o700 });
    writeFileSync(path(name), content, { mode: 0o600 });
  }
  const start = (output: 'ignore' | 'pipe' | number, ...argv: string[]) =>
    spawn(PYTHON, ['-m', 'job', ...argv, '--directory', directory], {
      cwd: PROJECT,
      stdio: ['ignore', output, 'inherit'],
      env: { PATH: process.env['PATH'], LANG: 'C.UTF-8', KEELSON_JOB: id, ...environment },
    });
  const startWithoutKill = (...argv: string[]) =>
    spawn('setpriv', [...WITHOUT_KILL, PYTHON, '-m', 'job', ...argv, '--directory', directory], {
      cwd: PROJECT,
      stdio: 'ignore',
      env: { PATH: process.env['PATH'], LANG: 'C.UTF-8', KEELSON_JOB: id },
    });
  const log = (name: string) =>
    existsSync(path('logs', `${name}.log`))
      ? readFileSync(path('logs', `${name}.log`), 'utf8')
      : '';
  return {
    directory,
    id,
    path,
    start: () => start('ignore', 'all'),
    startWithoutKill,
    async killForeign() {
      for (const pid of await processesOf(id)) process.kill(pid, 'SIGKILL');
      await waitForNothing(id);
    },
    startPhase: (phase, output = 'ignore', ...options) => start(output, 'run', phase, ...options),
    async run() {
      const child = start('ignore', 'all');
      await once(child, 'exit');
    },
    phase: (name) => readPhase(path('phases', `${name}.json`)),
    log,
    async waitForLog(name, text) {
      await waitFor(() => log(name).includes(text), { what: `"${text}" in ${name}` });
    },
    remove: () => rmSync(directory, { recursive: true, force: true }),
  };
}

function planOf(id: string): Record<string, unknown> {
  return {
    job_id: id,
    session_name: 'test',
    configuration_name: 'test',
    inventory_type: 'spec',
    grace_seconds: 1,
    report_wait_seconds: 1,
    api_url: null,
    git_protocols: 'https:ssh:file',
    ansible_playbook: ANSIBLE,
  };
}

function readPhase(file: string): PhaseFile | undefined {
  if (!existsSync(file)) return undefined;
  return JSON.parse(readFileSync(file, 'utf8')) as PhaseFile;
}

export function aCommand(
  name: string,
  script: string,
  more: Record<string, unknown> = {},
): Record<string, unknown> {
  return { name, kind: 'command', argv: ['bash', '-c', script], timeout_seconds: 0, ...more };
}

/** A program that becomes a daemon: it forks twice, has its own session, and keeps running. */
export function daemonize(seconds: number): string {
  return `python3 -c 'import os, time
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        time.sleep(${seconds})
    os._exit(0)
os.wait()'`;
}

/** Processes of a job, by the mark in their environment. */
export async function processesOf(id: string): Promise<readonly number[]> {
  const { readdir, readFile } = await import('node:fs/promises');
  const found: number[] = [];
  for (const name of await readdir('/proc')) {
    if (!/^\d+$/.test(name)) continue;
    const environment = await readFile(`/proc/${name}/environ`, 'utf8').catch(() => '');
    if (environment.split('\0').includes(`KEELSON_JOB=${id}`)) found.push(Number(name));
  }
  return found;
}

export async function waitForNothing(id: string): Promise<void> {
  await waitFor(async () => (await processesOf(id)).length === 0, {
    what: `the end of every process of ${id}`,
  });
}

export async function exitOf(child: ChildProcess): Promise<number | null> {
  if (child.exitCode === null && child.signalCode === null) await once(child, 'exit');
  return child.exitCode;
}
