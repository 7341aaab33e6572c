import { execFile, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  chmodSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe } from '@jest/globals';
import { ENVIRONMENT_ROOT } from '../../src/image-service/sshd-config.js';
import { findImageTools } from '../../src/image-service/tools.js';
import { findJobProcesses } from '../../src/runner/process-tree.js';
import { createKey } from '../support/ssh-host.js';
import { waitFor } from '../support/wait.js';

const PROGRAM = fileURLToPath(new URL('../../dist/image-service/main.js', import.meta.url));

/** Needs root, squashfs-tools and the OpenSSH server. */
export const describeImages =
  process.env['REQUIRE_SERVERS'] === '1' || typeof findImageTools() !== 'string'
    ? describe
    : describe.skip;

export interface ImageSite {
  readonly directory: string;
  /** The directory of the service. */
  readonly data: string;
  readonly keyFile: string;
  readonly publicKey: string;
  /** Starts a service, or another one after it was killed. `prefix`: a command that executes the rest of its arguments. */
  start(environment?: Readonly<Record<string, string>>, prefix?: readonly string[]): Promise<void>;
  kill(signal?: NodeJS.Signals): Promise<void>;
  url(): string;
  log(): string;
  ask(method: string, path: string, body?: unknown): Promise<Answer>;
  /** Imports an image of the tree and returns its id. */
  add(tree: string, name?: string): Promise<string>;
  /** Posts a job on the image. */
  post(imageId: string, more?: object): Promise<JobBody>;
  waitFor(job: JobBody, ...statuses: readonly string[]): Promise<JobBody>;
  ssh(job: JobBody, command: string): Promise<SshResult>;
  /** Unpacks the tree of an image. */
  unpack(imageId: string): string;
  /** What exists of a job besides its record. */
  findTraces(jobId: string): Promise<readonly string[]>;
  /** Makes the program wait before it starts, until it is released. */
  hold(program: 'unsquashfs' | 'mksquashfs'): void;
  letGo(program: 'unsquashfs' | 'mksquashfs'): void;
  /** Makes a held program fail; later runs are released. */
  fail(program: 'unsquashfs' | 'mksquashfs'): void;
  close(): Promise<void>;
}

export interface Answer {
  readonly status: number;
  readonly type: string;
  // Each test knows the shape that it expects.
  readonly body: unknown;
}

export interface JobBody {
  readonly id: string;
  readonly status: string;
  readonly resultant_image_id: string | null;
  readonly message?: string;
  readonly ssh_containers: readonly {
    readonly connection_info: Readonly<Record<string, { host: string; port: number }>>;
  }[];
}

export interface SshResult {
  readonly code: number;
  readonly output: string;
}

export function createImageSite(): ImageSite {
  const directory = mkdtempSync(join(tmpdir(), 'keelson-images-'));
  const data = join(directory, 'images 100%');
  const keyFile = join(directory, 'key');
  createKey(keyFile);
  const publicKey = readFileSync(`${keyFile}.pub`, 'utf8');
  const bin = createGates(directory);
  let child: ReturnType<typeof spawn> | undefined;
  let url = '';
  let log = '';
  const isRunning = () => child?.exitCode === null && child.signalCode === null;
  const toEnvironment = (more: Readonly<Record<string, string>>) => ({
    ...process.env,
    PATH: `${bin}:${process.env['PATH'] ?? ''}`,
    IMAGE_SERVICE_DIRECTORY: data,
    IMAGE_SERVICE_LISTEN: '127.0.0.1:0',
    ...more,
  });
  const site: ImageSite = {
    directory,
    data,
    keyFile,
    publicKey,
    async start(environment = {}, prefix = []) {
      const [command, ...words] = [...prefix, process.execPath, PROGRAM];
      const env = toEnvironment(environment);
      const started = spawn(command, words, { env, stdio: ['ignore', 'pipe', 'pipe'] });
      child = started;
      let output = '';
      for (const stream of [started.stdout, started.stderr])
        stream.setEncoding('utf8').on('data', (text: string) => {
          output += text;
          log += text;
        });
      const told = await waitFor(
        () =>
          isRunning()
            ? /"url":"([^"]+)".*"msg":"image service started"/.exec(output)?.[1]
            : 'ended',
        { what: 'the image service to start' },
      );
      if (told === 'ended') throw new Error(`The image service ended: ${output}`);
      url = told;
    },
    async kill(signal = 'SIGKILL') {
      const running = child;
      if (running === undefined || !isRunning()) return;
      const gone = once(running, 'exit');
      running.kill(signal);
      await gone;
    },
    url: () => url,
    log: () => log,
    async ask(method, path, body) {
      const response = await fetch(`${url}${path}`, {
        method,
        ...(body === undefined ? {} : { body: toText(body) }),
        // The service may have closed a kept connection, which would be noticed too late.
        headers: { connection: 'close', 'content-type': 'application/json' },
      });
      const text = await response.text();
      const type = response.headers.get('content-type') ?? '';
      return { status: response.status, type, body: text === '' ? '' : JSON.parse(text) };
    },
    add(tree, name = 'compute') {
      const file = join(directory, `${name}.squashfs`);
      execFileSync('mksquashfs', [tree, file, '-noappend', '-quiet', '-no-progress']);
      const words = [PROGRAM, 'import', file, '--name', name];
      const options = { env: toEnvironment({}), encoding: 'utf8' } as const;
      return Promise.resolve(execFileSync(process.execPath, words, options).trim());
    },
    async post(imageId, more = {}) {
      const key = await site.ask('POST', '/public-keys', { name: 'key', public_key: publicKey });
      const answer = await site.ask('POST', '/jobs', {
        job_type: 'customize',
        artifact_id: imageId,
        public_key_id: (key.body as { id: string }).id,
        image_root_archive_name: 'compute_cfs_a',
        ssh_containers: [{ name: 'a', jail: true }],
        ...more,
      });
      if (answer.status !== 201) throw new Error(JSON.stringify(answer));
      return answer.body as JobBody;
    },
    waitFor: ({ id }, ...statuses) =>
      waitFor(
        async () => {
          const { body } = await site.ask('GET', `/jobs/${id}`);
          const job = body as JobBody;
          if (statuses.includes(job.status)) return job;
          if (job.status === 'error') throw new Error(`The job has failed: ${job.message ?? ''}`);
          return undefined;
        },
        { intervalMs: 20, what: `job to be ${statuses.join(' or ')}` },
      ),
    ssh: (job, command) => runSsh(keyFile, job, command),
    unpack(imageId) {
      const target = join(directory, `unpacked-${imageId}`);
      const file = join(data, 'boot-images', imageId, 'rootfs');
      execFileSync('unsquashfs', ['-no-progress', '-dest', target, file]);
      return target;
    },
    async findTraces(jobId) {
      const processes = await findJobProcesses(`image-${jobId}`);
      const mounts = readFileSync('/proc/self/mounts', 'utf8').split('\n');
      return [
        ...processes.map(({ pid }) => `process ${pid}`),
        ...mounts.filter((line) => line.includes(data) || line.includes(ENVIRONMENT_ROOT)),
        ...readdirSync(join(data, 'work')).filter((name) => name === jobId),
      ];
    },
    hold: (program) => writeFileSync(join(directory, `hold-${program}`), ''),
    letGo: (program) => rmSync(join(directory, `hold-${program}`), { force: true }),
    fail: (program) => writeFileSync(join(directory, `hold-${program}`), 'fail'),
    async close() {
      if (isRunning()) {
        await site.ask('DELETE', '/jobs');
        const work = join(data, 'work');
        await waitFor(() => readdirSync(work).length === 0, { what: 'all work to be gone' });
      }
      await site.kill('SIGTERM');
      rmSync(directory, { recursive: true, force: true });
    },
  };
  return site;
}

/** A shell and a few programs of this machine, with their libraries. */
export function createTree(directory: string): string {
  const root = join(directory, 'tree');
  for (const folder of ['bin', 'boot', 'dev', 'etc', 'proc', 'root', 'sys', 'tmp'])
    mkdirSync(join(root, folder), { recursive: true, mode: 0o755 });
  chmodSync(root, 0o755);
  chmodSync(join(root, 'tmp'), 0o1777);
  const names = ['sh', 'cat', 'id', 'ln', 'ls', 'mkdir', 'mv', 'rm', 'setsid', 'sleep', 'touch'];
  for (const name of names) {
    const file = execFileSync('which', [name], { encoding: 'utf8' }).trim();
    const told = execFileSync('ldd', [file], { encoding: 'utf8' });
    const libraries = [...told.matchAll(/(?:=> |^\s*)(\/\S+)/gm)].map(([, path = '']) => path);
    copyFileSync(file, join(root, 'bin', name));
    for (const library of libraries) {
      const target = join(root, library);
      if (existsSync(target)) continue;
      mkdirSync(dirname(target), { recursive: true });
      copyFileSync(library, target);
      chmodSync(target, 0o755);
    }
  }
  writeFileSync(join(root, 'etc', 'passwd'), 'root:x:0:0:root:/root:/bin/sh\n');
  writeFileSync(join(root, 'etc', 'resolv.conf'), 'nameserver 192.0.2.1\n');
  return root;
}

/** Wraps the slow programs: runs the real ones, but only once they are released. */
function createGates(directory: string): string {
  const bin = join(directory, 'bin');
  mkdirSync(bin);
  const sleep = join(bin, 'sleep');
  symlinkSync('/bin/sleep', sleep);
  for (const name of ['unsquashfs', 'mksquashfs']) {
    const real = execFileSync('which', [name], { encoding: 'utf8' }).trim();
    const gate = join(directory, `hold-${name}`);
    const text = `#!/bin/sh\nwhile [ -e '${gate}' ]; do [ -s '${gate}' ] && rm '${gate}' && exit 1; ${sleep} 0.05; done\nexec ${real} "$@"\n`;
    writeFileSync(join(bin, name), text, { mode: 0o755 });
  }
  return bin;
}

function runSsh(keyFile: string, job: JobBody, command: string): Promise<SshResult> {
  const address = job.ssh_containers[0]?.connection_info['cluster.local'];
  const options = ['StrictHostKeyChecking=no', 'UserKnownHostsFile=/dev/null', 'LogLevel=ERROR'];
  const words = [
    ...['-F', 'none', '-i', keyFile, '-o', 'BatchMode=yes', '-p', String(address?.port)],
    ...options.flatMap((option) => ['-o', option]),
    ...[`root@${address?.host ?? ''}`, command],
  ];
  return new Promise((resolve) => {
    execFile('ssh', words, { timeout: 30_000 }, (error, stdout, stderr) => {
      const code = error === null ? 0 : Number(error.code ?? -1);
      resolve({ code, output: stdout + stderr });
    });
  });
}

function toText(body: unknown): string {
  return typeof body === 'string' ? body : JSON.stringify(body);
}
