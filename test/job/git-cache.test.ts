import { afterEach, describe, expect, it } from '@jest/globals';
import { execFileSync, spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  truncateSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, dirname, join } from 'node:path';
import { startGitHttpServer, type GitHttpServer } from '../clients/git-http-server.js';
import { createRepository } from '../support/git-repository.js';
import { waitFor } from '../support/wait.js';
import { createJob, exitOf, type TestJob } from './harness.js';

const MEGABYTE = 2 ** 20;

const closing: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close();
});

function aDirectory(): string {
  const directory = mkdtempSync(join(tmpdir(), 'keelson-git-cache-'));
  closing.push(() => rmSync(directory, { recursive: true }));
  return directory;
}

interface Served {
  readonly url: string;
  readonly commit: string;
  readonly directory: string;
  readonly server: GitHttpServer;
}

async function serveRepository(
  files: Record<string, string>,
  after?: Promise<unknown>,
): Promise<Served> {
  const repository = createRepository({ files });
  closing.push(() => repository.remove());
  const { directory, commit } = repository;
  const server = await startGitHttpServer({
    root: dirname(directory),
    ...(after && { after }),
  });
  closing.push(() => server.close());
  return { url: `${server.url}/${basename(directory)}`, commit, directory, server };
}

interface CloneOptions {
  readonly cache: string;
  readonly source?: string;
  readonly maxBytes?: number;
  readonly timeoutSeconds?: number;
}

function clone(
  { url, commit }: Pick<Served, 'url' | 'commit'>,
  { cache, source, maxBytes = MEGABYTE, timeoutSeconds = 5 }: CloneOptions,
): { readonly job: TestJob; readonly exit: Promise<number | null> } {
  const job = createJob({
    phases: [
      {
        name: 'git-clone-0',
        kind: 'git-clone',
        layer: 0,
        directory: 'layer0',
        timeout_seconds: timeoutSeconds,
        repository: { url, commit, ...(source === undefined ? {} : { source }) },
      },
    ],
    plan: {
      git_protocols: 'http:file',
      git_cache: { directory: cache, max_bytes: maxBytes },
    },
  });
  closing.push(() => job.remove());
  return { job, exit: exitOf(job.startPhase('git-clone-0')) };
}

async function cloneWell(...asked: Parameters<typeof clone>): Promise<TestJob> {
  const { job, exit } = clone(...asked);
  expect([await exit, job.log('git-clone-0')]).toEqual([0, expect.any(String)]);
  return job;
}

const contentOf = (job: TestJob) => readFileSync(job.path('workspace/layer0/site.yml'), 'utf8');
const git = (job: TestJob, ...argv: string[]) =>
  execFileSync('git', argv, { cwd: job.path('workspace/layer0'), encoding: 'utf8' }).trim();
const NOT_ASKED = 'the server was not asked';

describe('the git cache', () => {
  it('has a commit for the next job while the server is away', async () => {
    const cache = aDirectory();
    const served = await serveRepository({ 'site.yml': 'first', 'roles/a/tasks/main.yml': '[]' });
    const first = await cloneWell(served, { cache });
    expect(first.log('git-clone-0')).not.toContain(NOT_ASKED);
    await served.server.close();
    const second = await cloneWell(served, { cache });
    expect(second.log('git-clone-0')).toContain(NOT_ASKED);
    expect(contentOf(second)).toBe('first');
    expect(git(second, 'rev-parse', 'HEAD')).toBe(served.commit);
    expect(git(second, 'status', '--porcelain')).toBe('');
    expect(git(second, 'fsck', '--strict')).toBe('');
  });

  it('has no parents of a commit, like the earlier clone', async () => {
    const cache = aDirectory();
    const repository = createRepository({ files: { 'site.yml': 'first' } });
    closing.push(() => repository.remove());
    const commit = repository.addCommit({ files: { 'site.yml': 'second' } });
    const server = await startGitHttpServer({ root: dirname(repository.directory) });
    closing.push(() => server.close());
    const served = { url: `${server.url}/${basename(repository.directory)}`, commit };
    const [first, second] = [
      await cloneWell(served, { cache }),
      await cloneWell(served, { cache }),
    ];
    for (const job of [first, second]) expect(git(job, 'log', '--format=%H')).toBe(commit);
    expect(contentOf(second)).toBe('second');
  });

  it('gives a repository only to the source that has read it', async () => {
    const cache = aDirectory();
    const served = await serveRepository({ 'site.yml': 'secret' });
    await cloneWell(served, { cache, source: 'site' });
    await served.server.close();
    const [nameless, other, same] = [
      clone(served, { cache }),
      clone(served, { cache, source: 'other' }),
      clone(served, { cache, source: 'site' }),
    ];
    expect(await Promise.all([nameless.exit, other.exit, same.exit])).toEqual([74, 74, 0]);
  });

  it.each<[string, (file: string) => void]>([
    ['is cut', (file) => truncateSync(file, statSync(file).size / 2)],
    ['is empty', (file) => truncateSync(file, 0)],
    [
      'is another commit',
      (file) => {
        const forged = createRepository({ files: { 'site.yml': 'forged' } });
        const argv = ['pack-objects', '--stdout', '--all', '--revs'];
        const pack = execFileSync('git', argv, { cwd: forged.directory, input: '' });
        writeFileSync(file, pack);
        forged.remove();
      },
    ],
  ])('asks the server if one of its files %s, and replaces that', async (_, spoil) => {
    const cache = aDirectory();
    const served = await serveRepository({ 'site.yml': 'first' });
    await cloneWell(served, { cache });
    const [name = ''] = readdirSync(cache);
    spoil(join(cache, name));
    const job = await cloneWell(served, { cache });
    expect(job.log('git-clone-0')).toContain('The copy in the git cache cannot be used: ');
    expect(contentOf(job)).toBe('first');
    await served.server.close();
    expect(contentOf(await cloneWell(served, { cache }))).toBe('first');
  });

  it('stays within its size, and drops the least recently used files', async () => {
    const cache = aDirectory();
    const noise = (mark: string) =>
      Array.from({ length: 2_000 }, (_, index) => `${mark}${(index * 7919) % 104_729}`).join('\n');
    const [a, b, c] = await Promise.all(
      ['a', 'b', 'c'].map((mark) => serveRepository({ 'site.yml': noise(mark) })),
    );
    if (a === undefined || b === undefined || c === undefined) throw new Error('three were made');
    await cloneWell(a, { cache });
    const [first = ''] = readdirSync(cache);
    const { size } = statSync(join(cache, first));
    const maxBytes = size * 2.5;
    await cloneWell(b, { cache, maxBytes });
    const [second = ''] = readdirSync(cache).filter((name) => name !== first);
    utimesSync(join(cache, first), 1_000, 1_000);
    utimesSync(join(cache, second), 2_000, 2_000);
    await cloneWell(a, { cache, maxBytes });
    await cloneWell(c, { cache, maxBytes });
    const left = readdirSync(cache);
    expect(left).toHaveLength(2);
    expect(left).toContain(first);
    await cloneWell(b, { cache, maxBytes: size / 2 });
    expect(readdirSync(cache).sort()).toEqual(left.sort());
  });

  it('removes a half-written file of a job that was killed long ago', async () => {
    const cache = aDirectory();
    const served = await serveRepository({ 'site.yml': 'first' });
    for (const name of ['old.draft', 'new.draft']) writeFileSync(join(cache, name), '');
    utimesSync(join(cache, 'old.draft'), 1_000, 1_000);
    await cloneWell(served, { cache });
    const left = readdirSync(cache).filter((name) => !name.endsWith('.pack'));
    expect(left).toEqual(['new.draft']);
  });

  it('neither touches nor counts what a volume has of its own', async () => {
    const cache = aDirectory();
    const served = await serveRepository({ 'site.yml': 'first' });
    mkdirSync(join(cache, '.snapshot'));
    writeFileSync(join(cache, '.nfs0001'), '');
    truncateSync(join(cache, '.nfs0001'), 2 * MEGABYTE);
    for (const name of readdirSync(cache)) utimesSync(join(cache, name), 1_000, 1_000);
    await cloneWell(served, { cache });
    await cloneWell(await serveRepository({ 'site.yml': 'second' }), { cache });
    const left = readdirSync(cache);
    expect(left.filter((name) => !name.endsWith('.pack')).sort()).toEqual([
      '.nfs0001',
      '.snapshot',
    ]);
    expect(left).toHaveLength(4);
  });

  it('gives a commit also where its use cannot be noted, as another job has removed it', async () => {
    const cache = aDirectory();
    const served = await serveRepository({ 'site.yml': 'first' });
    await cloneWell(served, { cache });
    const [name = ''] = readdirSync(cache);
    const [file, pack] = [join(cache, name), join(cache, 'pack')];
    renameSync(file, pack);
    execFileSync('mkfifo', [file]);
    await served.server.close();
    // It can be opened when the job opens it, and is gone before the job has read it.
    const writer = spawn('sh', ['-c', 'exec 3>"$0" && rm "$0" && cat "$1" >&3', file, pack]);
    const job = await cloneWell(served, { cache });
    expect(await exitOf(writer)).toBe(0);
    expect(job.log('git-clone-0')).toContain(NOT_ASKED);
    expect(contentOf(job)).toBe('first');
  });

  it('adds no commit that another job has added meanwhile', async () => {
    const cache = aDirectory();
    const added = Promise.withResolvers<undefined>();
    const served = await serveRepository({ 'site.yml': 'first' }, added.promise);
    const { job, exit } = clone(served, { cache, timeoutSeconds: 60 });
    // It asks the server after it has looked in the cache.
    await waitFor(() => served.server.authorizations.length > 0, { what: 'the first request' });
    const repository = createHash('sha256').update(`["${served.url}", null]`).digest('hex');
    const file = join(cache, `${repository.slice(0, 32)}-${served.commit}.pack`);
    writeFileSync(file, 'of another job');
    added.resolve(undefined);
    expect([await exit, job.log('git-clone-0')]).toEqual([0, expect.any(String)]);
    expect(readFileSync(file, 'utf8')).toBe('of another job');
  });

  it('holds no clone up where its volume hangs', async () => {
    const cache = aDirectory();
    const served = await serveRepository({ 'site.yml': 'first' });
    await cloneWell(served, { cache });
    const [name = ''] = readdirSync(cache);
    const file = join(cache, name);
    rmSync(file);
    // Whoever opens it waits for somebody who writes into it.
    execFileSync('mkfifo', [file]);
    const job = await cloneWell(served, { cache, timeoutSeconds: 60 });
    expect(job.log('git-clone-0')).toContain('its volume did not answer within 5 s');
    expect(contentOf(job)).toBe('first');
  });

  it('fails no clone if it cannot be written', async () => {
    const file = join(aDirectory(), 'file');
    writeFileSync(file, '');
    const job = await cloneWell(await serveRepository({ 'site.yml': 'first' }), { cache: file });
    expect(job.log('git-clone-0')).toContain('Not added to the git cache: ');
  });

  it('keeps only commits that are named by a hash and come from another machine', async () => {
    const cache = aDirectory();
    const { url, directory, commit } = await serveRepository({ 'site.yml': 'first' });
    execFileSync('git', ['tag', 'v1', commit], { cwd: directory });
    for (const served of [
      { url, commit: 'v1' },
      { url: `file://${directory}`, commit },
      { url: directory, commit },
    ])
      await cloneWell(served, { cache });
    expect(readdirSync(cache)).toEqual([]);
  });
});
