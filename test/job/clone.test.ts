import { afterEach, describe, expect, it } from '@jest/globals';
import { execFileSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer as createHttpServer } from 'node:http';
import { createServer, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createRepository } from '../support/git-repository.js';
import { startHttpProxy } from '../support/http-proxy.js';
import { findFreePort } from '../support/ssh-host.js';
import { listen, stopListening } from '../support/listen.js';
import { startGitServer } from './git-server.js';
import { waitFor } from '../support/wait.js';
import { createJob, exitOf, TOKEN, type TestJob } from './harness.js';
import { startPhaseApi } from './phase-api.js';

const closing: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0)) await close();
});

function aRepository(options: { config?: Record<string, string> } = {}) {
  const repository = createRepository({ files: { 'site.yml': 'first' }, ...options });
  closing.push(() => repository.remove());
  return repository;
}

interface CloneOptions {
  readonly url: string;
  readonly commit: string;
  readonly timeoutSeconds?: number;
  readonly plan?: Record<string, unknown>;
  readonly files?: Record<string, string>;
}

function aClone({
  url,
  commit,
  timeoutSeconds = 20,
  plan = {},
  files = {},
}: CloneOptions): TestJob {
  const phase = {
    name: 'git-clone-0',
    kind: 'git-clone',
    layer: 0,
    directory: 'layer0',
    timeout_seconds: timeoutSeconds,
    repository: { url, commit },
  };
  const job = createJob({ phases: [phase], plan: { git_protocols: 'http:file', ...plan }, files });
  closing.push(() => job.remove());
  return job;
}

/** Has a shell do something else than git for one of its commands. */
function replaceCommand(command: string, script: string): void {
  const folder = mkdtempSync(join(tmpdir(), 'keelson-git-'));
  const { PATH = '' } = process.env;
  closing.push(() => (process.env['PATH'] = PATH));
  closing.push(() => rmSync(folder, { recursive: true }));
  const other = `#!/bin/sh\ncase " $* " in *" ${command} "*) ${script} ;; esac\nPATH=${PATH} exec git "$@"\n`;
  writeFileSync(join(folder, 'git'), other, { mode: 0o755 });
  process.env['PATH'] = `${folder}:${PATH}`;
}

async function run(job: TestJob): Promise<number | null> {
  return exitOf(job.startPhase('git-clone-0'));
}

function git(job: TestJob, ...argv: string[]): string {
  return execFileSync('git', argv, { cwd: job.path('workspace/layer0'), encoding: 'utf8' }).trim();
}

/** Makes the repository's index, which a server of plain files needs. */
async function serve(directory: string, options: { login?: string; port?: number } = {}) {
  execFileSync('git', ['update-server-info'], { cwd: directory });
  const server = await startGitServer({ directory, ...options });
  closing.push(() => server.close());
  return server;
}

const ABSENT = '1234567890123456789012345678901234567890';

describe('git-clone', () => {
  it('fetches exactly the commit, at depth 1', async () => {
    const repository = aRepository({ config: { 'uploadpack.allowReachableSHA1InWant': 'true' } });
    const second = repository.addCommit({ files: { 'site.yml': 'second' } });
    repository.addCommit({ files: { 'site.yml': 'third' } });
    const job = aClone({ url: repository.url, commit: second });
    expect(await run(job)).toBe(0);
    expect(readFileSync(job.path('workspace/layer0/site.yml'), 'utf8')).toBe('second');
    expect(readFileSync(job.path('workspace/layer0/.git/HEAD'), 'utf8')).toBe(`${second}\n`);
    expect(git(job, 'rev-list', '--count', 'HEAD')).toBe('1');
  });

  it('fetches everything if the server does not give single commits', async () => {
    const repository = aRepository();
    repository.addCommit({ files: { 'site.yml': 'second' } });
    const server = await serve(repository.directory);
    const job = aClone({ url: server.url, commit: repository.commit });
    expect(await run(job)).toBe(0);
    expect(job.log('git-clone-0')).toContain('fetching everything');
    expect(git(job, 'rev-parse', 'HEAD')).toBe(repository.commit);
  });

  it('reaches its server through a proxy, unless the host is excepted', async () => {
    const repository = aRepository();
    const { url } = await serve(repository.directory);
    const proxy = await startHttpProxy();
    closing.push(() => proxy.close());
    for (const [noProxy, hosts] of [
      ['example.org,127.0.0.1', []],
      ['', [new URL(url).host]],
    ] as const) {
      const git_proxy = { url: proxy.url, no_proxy: noProxy };
      const job = aClone({ url, commit: repository.commit, plan: { git_proxy } });
      expect(await run(job)).toBe(0);
      expect(new Set(proxy.passed)).toEqual(new Set(hosts));
    }
  });

  it('takes a tag or the beginning of a hash for a commit', async () => {
    const repository = aRepository();
    repository.createTag('v1');
    for (const commit of ['v1', repository.commit.slice(0, 10)]) {
      const job = aClone({ url: repository.url, commit });
      expect(await run(job)).toBe(0);
      expect(git(job, 'rev-parse', 'HEAD')).toBe(repository.commit);
    }
  });

  it('ends with 71 if there is no such commit, without a retry', async () => {
    const repository = aRepository();
    const job = aClone({ url: repository.url, commit: ABSENT, timeoutSeconds: 600 });
    expect(await run(job)).toBe(71);
    expect(job.log('git-clone-0')).toContain(`ERROR! ${repository.url} has no commit ${ABSENT}.\n`);
  });

  it('ends with 70 if there is no such repository, without a retry', async () => {
    const job = aClone({ url: 'file:///no/such/repository', commit: ABSENT, timeoutSeconds: 600 });
    expect(await run(job)).toBe(70);
    expect(job.log('git-clone-0')).toMatch(/^ERROR! file:\/\/\/no\/such\/repository: .+\.$/m);
  });

  it('ends with 70 if the server redirects to a page for logging in, without a retry', async () => {
    const server = createHttpServer(({ url = '' }, response) => {
      const location = url.startsWith('/login') ? {} : { location: '/login?state=s3cret' };
      response.writeHead('location' in location ? 302 : 200, location).end('Log in');
    });
    const url = `http://127.0.0.1:${await listen(server)}`;
    closing.push(() => stopListening(server));
    const job = aClone({ url: `${url}/a.git`, commit: ABSENT, timeoutSeconds: 600 });
    expect(await run(job)).toBe(70);
    expect(job.log('git-clone-0')).toContain(
      `ERROR! ${url}/a.git: it redirects to ${url}/login, where no repository is.\n`,
    );
  });

  it('ends with 70 if the server redirects to another protocol, without a retry', async () => {
    // As git says it with libcurl 8.
    const fact = `Protocol "http" disabled (in redirect)`;
    const complaint = `fatal: unable to access 'https://git/a/': ${fact}`;
    replaceCommand('fetch', `echo "${complaint.replaceAll('"', '\\"')}" >&2; exit 128`);
    const job = aClone({ url: 'https://git/a', commit: ABSENT, timeoutSeconds: 6 });
    expect(await run(job)).toBe(70);
    expect(job.log('git-clone-0')).toContain(`ERROR! https://git/a: ${fact}.\n`);
  });

  it('ends with 70 if the repository has commits of another kind, without a retry', async () => {
    const repository = createRepository({ files: { 'site.yml': '' }, objectFormat: 'sha256' });
    closing.push(() => repository.remove());
    const { url, commit } = repository;
    const job = aClone({ url, commit, timeoutSeconds: 600 });
    expect(await run(job)).toBe(70);
    expect(job.log('git-clone-0')).toContain('mismatched algorithms: client sha1; server sha256');
  });

  it('ends with 70 if the protocol is not allowed', async () => {
    const repository = aRepository();
    const plan = { git_protocols: 'https:ssh' };
    const job = aClone({ url: repository.url, commit: repository.commit, plan });
    expect(await run(job)).toBe(70);
    expect(job.log('git-clone-0')).toContain("transport 'file' not allowed");
  });

  it.each([20, 0])(
    'tries an unreachable server again until it answers, time limit %d',
    async (limit) => {
      const repository = aRepository();
      const port = await findFreePort();
      // Git's message contains a word by which other failures are recognized.
      const url = `http://127.0.0.1:${port}/shallow/../repository.git`;
      const job = aClone({ url, commit: repository.commit, timeoutSeconds: limit });
      const child = job.startPhase('git-clone-0');
      await job.waitForLog('git-clone-0', 'trying again');
      await serve(repository.directory, { port });
      expect(await exitOf(child)).toBe(0);
    },
  );

  it('tells the API what it waits for, and when it continues', async () => {
    const api = await startPhaseApi(TOKEN);
    closing.push(() => api.close());
    const repository = aRepository();
    const port = await findFreePort();
    const url = `http://127.0.0.1:${port}/repository.git`;
    // The longest possible limit.
    const timeoutSeconds = 1_209_600;
    const plan = { api_url: api.url };
    const job = aClone({ url, commit: repository.commit, timeoutSeconds, plan });
    const child = job.startPhase('git-clone-0');
    const wait = await waitFor(() => api.waits[0], { what: 'the wait' });
    await serve(repository.directory, { port });
    expect(await exitOf(child)).toBe(0);
    expect(wait).toMatchObject({
      message: expect.stringMatching(
        /^http:\S+: Failed to connect .*\. Retrying for up to 1209600 s \(clone_time_limit\)\.$/,
      ) as unknown,
      over: false,
    });
    expect(api.waits).toEqual([wait, { ...wait, over: true }]);
  });

  it('tells the API of a server that accepts connections and says nothing', async () => {
    const api = await startPhaseApi(TOKEN);
    closing.push(() => api.close());
    const repository = aRepository();
    const connected = new Set<Socket>();
    const silent = createServer((socket) => void connected.add(socket.resume()));
    const port = await listen(silent, 0);
    const url = `http://127.0.0.1:${port}/repository.git`;
    const job = aClone({ url, commit: repository.commit, plan: { api_url: api.url } });
    const child = job.startPhase('git-clone-0');
    const wait = await waitFor(() => api.waits[0], { what: 'the wait' });
    silent.close();
    for (const socket of connected) socket.destroy();
    await serve(repository.directory, { port });
    expect(await exitOf(child)).toBe(0);
    expect(wait).toMatchObject({
      message: `${url}: no answer yet. Retrying for up to 20 s (clone_time_limit).`,
      over: false,
    });
    expect(api.waits.at(-1)).toMatchObject({ over: true, since: wait['since'] });
  });

  it('gives up on an unreachable server before the time limit, and says why', async () => {
    const url = `http://127.0.0.1:${await findFreePort()}/repository.git`;
    const job = aClone({ url, commit: ABSENT, timeoutSeconds: 7 });
    expect(await run(job)).toBe(74);
    expect(job.phase('git-clone-0')).toMatchObject({ killed: null });
    expect(job.log('git-clone-0')).toMatch(
      /^ERROR! http:\S+: Failed to connect .*\. Tried for 7 s \(clone_time_limit\)\.$/m,
    );
  });

  it('says which command the time limit has ended, and which limit that was', async () => {
    const repository = aRepository();
    replaceCommand('checkout', 'exec sleep 60');
    const job = aClone({ url: repository.url, commit: repository.commit, timeoutSeconds: 10 });
    expect(await run(job)).toBe(70);
    expect(job.log('git-clone-0')).toMatch(
      /ERROR! git checkout did not finish within 10 s \(clone_time_limit\)\.\n$/,
    );
  });

  it('treats a URL and a commit that look like options as data', async () => {
    const url = '--upload-pack=touch ran';
    const job = aClone({ url, commit: '--output=ran', timeoutSeconds: 7 });
    expect(await run(job)).toBe(70);
    expect(existsSync(job.path('workspace/layer0/ran'))).toBe(false);
  });
});

describe('credentials', () => {
  const login = 'user:p@ss word';
  const store = (port: number, password: string) => ({
    'secrets/git-credentials': `http://user:${encodeURIComponent(password)}@127.0.0.1%3a${port}\n`,
  });

  it('are used for the host that they are for, and appear nowhere', async () => {
    const repository = aRepository();
    const server = await serve(repository.directory, { login });
    const files = store(server.port, 'p@ss word');
    const job = aClone({ url: server.url, commit: repository.commit, files });
    expect(await run(job)).toBe(0);
    expect(job.log('git-clone-0')).not.toContain('p@ss');
    expect(git(job, 'config', '--list', '--local')).not.toContain('p@ss');
  });

  it('are sent to no other host', async () => {
    const repository = aRepository();
    const server = await serve(repository.directory, { login });
    const files = store(1, 'p@ss word');
    const job = aClone({ url: server.url, commit: repository.commit, timeoutSeconds: 600, files });
    expect(await run(job)).toBe(70);
    expect(server.authorizations.filter((value) => value !== undefined)).toEqual([]);
  });

  it('that are refused end the phase with 70 at once, and stay in their file', async () => {
    const repository = aRepository();
    const server = await serve(repository.directory, { login });
    const files = store(server.port, 'wrong');
    const job = aClone({ url: server.url, commit: repository.commit, timeoutSeconds: 600, files });
    expect(await run(job)).toBe(70);
    expect(readFileSync(job.path('secrets/git-credentials'), 'utf8')).toBe(
      files['secrets/git-credentials'],
    );
  });
});
