import { execFileSync } from 'node:child_process';
import {
  chmodSync,
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import { toCloneFault } from '../../src/clients/git-complaint.js';
import { createGitClient, type GitOptions } from '../../src/clients/git.js';
import { startHttpProxy } from '../support/http-proxy.js';
import { createRepository, type Repository } from '../support/git-repository.js';
import { runAlone } from '../support/own-process.js';
import { waitFor } from '../support/wait.js';
import { startGitHttpServer, type GitHttpServer } from './git-http-server.js';

const never = new AbortController().signal;

function resolve(url: string, ref: string, options: Partial<GitOptions> = {}, signal = never) {
  return createGitClient({ protocols: 'file:http:https:ssh', ...options }).resolve(
    url,
    ref,
    signal,
  );
}

const toTlsFile = (name: string) =>
  fileURLToPath(new URL(`../fixtures/tls/${name}`, import.meta.url));

const readTls = () => ({
  key: readFileSync(toTlsFile('loopback.key'), 'utf8'),
  cert: readFileSync(toTlsFile('loopback.crt'), 'utf8'),
});

function git(repository: Repository, ...argv: string[]): string {
  return execFileSync('git', ['-C', repository.directory, ...argv], { encoding: 'utf8' }).trim();
}

describe('toCloneFault', () => {
  test('tries again later if a disk is full', () => {
    const complaint = "fatal: cannot copy 'a' to 'b': No space left on device\n";
    const end = { kind: 'exited', exitCode: 128, output: '', complaint } as const;
    expect(toCloneFault('https://git/a', end)).toMatchObject({
      fault: 'unavailable',
      message: `Repository https://git/a could not be read: ${complaint.trim()}`,
    });
  });

  test.each([
    [
      `fatal: unable to update url base from redirection:
  asked for: https://git/a/info/refs?service=git-upload-pack
   redirect: https://me:p@ss@id/login?state=s3cret
`,
      'redirects to https://id/login, where no repository is',
    ],
    [
      `fatal: unable to access 'https://git/a/': Protocol "http" not supported or disabled in libcurl\n`,
      'redirects to a scheme that is not allowed here: ',
    ],
    [
      `fatal: unable to access 'https://git/a/': Protocol "http" disabled (in redirect)\n`,
      'redirects to a scheme that is not allowed here: ',
    ],
    [
      `fatal: unable to access 'https://git/a/': The requested URL returned error: 403\n`,
      'refused our credentials, or needs some: ',
    ],
    [
      `fatal: unable to access 'https://git/a/': The requested URL returned error: 410\n`,
      'is not there: ',
    ],
    [
      `fatal: unable to access 'https://git/a/': Received HTTP code 407 from proxy after CONNECT\n`,
      'is refused by the proxy: ',
    ],
  ])('says what %s means', (complaint, meaning) => {
    const end = { kind: 'exited', exitCode: 128, output: '', complaint } as const;
    expect(toCloneFault('https://git/a', end)).toMatchObject({
      fault: 'rejected',
      message: expect.stringMatching(new RegExp(`^Repository https://git/a ${meaning}`)),
    });
  });

  test.each([
    'Could not resolve proxy: proxy.invalid',
    'Proxy CONNECT aborted',
    'Received HTTP code 504 from proxy after CONNECT',
  ])('counts %s as an outage', (fact) => {
    const complaint = `fatal: unable to access 'https://git/a/': ${fact}\n`;
    const end = { kind: 'exited', exitCode: 128, output: '', complaint } as const;
    expect(toCloneFault('https://git/a', end).fault).toBe('unavailable');
  });

  test('shows nothing of a password that has an @', () => {
    const { message } = toCloneFault('https://me:p@ss@git/a', { kind: 'timeout' });
    expect(message).toBe('Repository https://git/a did not answer in time');
  });
});

describe('a directory for temporary files that cannot be written to', () => {
  test.each([
    ['a hash', "'0'.repeat(40), signal"],
    ['credentials', "'main', signal, { credentials: { username: 'a', password: 'b' } }"],
  ])('is waited for, for %s', (_, given) => {
    const said = runAlone(`
      process.env.TMPDIR = '/proc/none';
      const { createGitClient } = await import('./dist/clients/git.js');
      const { signal } = new AbortController();
      await createGitClient({ protocols: 'file' })
        .resolve('file://${process.cwd()}', ${given})
        .catch(({ fault, reason, message }) => process.stdout.write([fault, reason, message].join()));`);
    expect(said).toBe(
      'unavailable,GIT_CLONE,The directory /proc/none cannot be written to (ENOENT), and git needs it.',
    );
  });
});

describe('resolve', () => {
  let repository: Repository;
  let tip: string;
  let feature: string;

  beforeAll(() => {
    repository = createRepository({ files: { 'site.yml': '[]' } });
    tip = repository.addCommit({ files: { a: '1' } });
    repository.createTag('v1', repository.commit);
    repository.createBranch('feature/größe');
    feature = repository.addCommit({ files: { b: '1' }, branch: 'feature/größe' });
    repository.createBranch('both');
    git(repository, 'tag', 'both', repository.commit);
    git(repository, 'tag', 'light', repository.commit);
    git(repository, 'branch', 'deep/er/only', repository.commit);
    git(repository, 'branch', 'origin/main', repository.commit);
  });
  afterAll(() => repository.remove());

  const refs: readonly (readonly [string, string, () => string])[] = [
    ['the default branch', '', () => tip],
    ['a branch', 'main', () => tip],
    ['a branch of several words', 'feature/größe', () => feature],
    ['an annotated tag, as its commit', 'v1', () => repository.commit],
    ['a lightweight tag', 'light', () => repository.commit],
    [
      'a branch before a tag of the same name',
      'both',
      () => git(repository, 'rev-parse', 'refs/heads/both'),
    ],
    ['a full name of a branch', 'refs/heads/main', () => tip],
    ['a full name of an annotated tag', 'refs/tags/v1', () => repository.commit],
    ['the default branch by HEAD', 'HEAD', () => tip],
    ['a branch by the name that it has in a clone', 'origin/feature/größe', () => feature],
    [
      'a branch before the name that another has in a clone',
      'origin/main',
      () => git(repository, 'rev-parse', 'refs/heads/origin/main'),
    ],
    ['a branch as git shortens it', 'heads/main', () => tip],
    ['a tag as git shortens it', 'tags/both', () => repository.commit],
  ];
  test.each(refs)('finds %s', async (_title, ref, expected) => {
    expect(await resolve(repository.url, ref)).toBe(expected());
  });

  test('finds a commit by its hash, at a tip or not', async () => {
    expect(await resolve(repository.url, tip)).toBe(tip);
    expect(await resolve(repository.url, repository.commit)).toBe(repository.commit);
  });

  test('resolves the hash of an annotated tag to its commit', async () => {
    const tag = git(repository, 'rev-parse', 'refs/tags/v1');

    expect(tag).not.toBe(repository.commit);
    expect(await resolve(repository.url, tag)).toBe(repository.commit);
  });

  test.each([
    ['a name that is not there', 'nowhere'],
    ['the end of a longer name', 'only'],
    ['a pattern', 'ma*'],
    ['an abbreviated hash', '0123456'],
    ['another spelling', 'Main'],
    ['a hash that is not there', 'f'.repeat(40)],
    ['an expression', 'HEAD~1'],
  ])('refuses %s', async (_title, ref) => {
    await expect(resolve(repository.url, ref)).rejects.toMatchObject({
      name: 'ServiceError',
      fault: 'invalid',
      reason: 'GIT_REF',
      message: `Repository ${repository.url} has no branch, tag or commit "${ref}" (a commit is given by all 40 digits).`,
    });
  });

  test('refuses a repository with hashes of another kind', async () => {
    const other = createRepository({ files: { 'site.yml': '' }, objectFormat: 'sha256' });

    await expect(resolve(other.url, 'main')).rejects.toMatchObject({
      fault: 'invalid',
      reason: 'GIT_REF',
      message: expect.stringContaining(`${other.url} has SHA-256 commits`),
    });
    other.remove();
  });

  test('refuses the hash of a file', async () => {
    const blob = git(repository, 'rev-parse', 'main:site.yml');

    await expect(resolve(repository.url, blob)).rejects.toMatchObject({ reason: 'GIT_REF' });
  });

  test('says that a repository is empty', async () => {
    const empty = mkdtempSync(join(tmpdir(), 'keelson-empty-'));
    execFileSync('git', ['init', '--quiet', '--bare', empty]);

    await expect(resolve(`file://${empty}`, '')).rejects.toMatchObject({
      fault: 'invalid',
      reason: 'GIT_REF',
      message: `Repository file://${empty} has no default branch: it is empty.`,
    });
    rmSync(empty, { recursive: true });
  });

  test.each([
    ['--upload-pack=touch /tmp/x', 'main', 'GIT_CLONE'],
    ['-u', 'main', 'GIT_CLONE'],
    ['https://git.example.org/a\nb', 'main', 'GIT_CLONE'],
    ['https://git.example.org/a', '--exec=x', 'GIT_REF'],
    ['https://git.example.org/a', 'ma\0in', 'GIT_REF'],
  ])('refuses what is no data: %j %j', async (url, ref, reason) => {
    await expect(resolve(url, ref)).rejects.toMatchObject({ fault: 'invalid', reason });
  });

  test.each([
    ['file', () => repository.url],
    ['ext', () => 'ext::sh -c "exit 0"'],
    ['http', () => 'http://127.0.0.1:9/x'],
  ])('refuses the scheme %s where it is not allowed', async (_scheme, toUrl) => {
    await expect(resolve(toUrl(), '', { protocols: 'https:ssh' })).rejects.toMatchObject({
      fault: 'rejected',
      reason: 'GIT_CLONE',
      message: expect.stringContaining('has a scheme that is not allowed here'),
    });
  });

  test('says that a repository is not there', async () => {
    await expect(resolve('file:///nowhere/x.git', '')).rejects.toMatchObject({
      fault: 'rejected',
      reason: 'GIT_CLONE',
      message: expect.stringMatching(
        /^Repository file:\/\/\/nowhere\/x\.git is not there: fatal: '\/nowhere\/x\.git' does not /,
      ),
    });
  });

  test('leaves nothing behind', () => {
    // A directory of its own, because other tests run at the same time, and some kill their processes.
    const directory = mkdtempSync(join(tmpdir(), 'keelson-git-'));
    const said = runAlone(`
      process.env.TMPDIR = ${JSON.stringify(directory)};
      const { createGitClient } = await import('./dist/clients/git.js');
      const { resolve } = createGitClient({ protocols: 'file' });
      for (const ref of ${JSON.stringify([repository.commit, 'f'.repeat(40)])})
        await resolve(${JSON.stringify(repository.url)}, ref, new AbortController().signal).then(
          (found) => process.stdout.write(found),
          ({ reason }) => process.stdout.write(reason));`);
    expect(said).toBe(`${repository.commit}GIT_REF`);
    expect(readdirSync(directory)).toEqual([]);
    rmSync(directory, { recursive: true });
  });
});

describe('resolve over HTTP', () => {
  let repository: Repository;
  let root: string;
  let server: GitHttpServer | undefined;
  let directory: string;

  beforeAll(() => {
    repository = createRepository({ files: { 'site.yml': '[]' } });
    repository.addCommit({ files: { a: '1' } });
    root = dirname(repository.directory);
  });
  afterAll(() => repository.remove());
  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), 'keelson-credentials-'));
  });
  afterEach(async () => {
    await server?.close();
    server = undefined;
    rmSync(directory, { recursive: true });
  });

  const serve = async (options: Partial<Parameters<typeof startGitHttpServer>[0]> = {}) => {
    server = await startGitHttpServer({ root, ...options });
    return `${server.url}/repository.git`;
  };
  const saveCredentials = (url: string, name = 'git credentials') => {
    const file = join(directory, name);
    writeFileSync(file, `${url}\n`);
    chmodSync(file, 0o600);
    return file;
  };
  const withUser = (url: string, credentials: string) =>
    new URL(url).origin.replace('//', `//${credentials}@`);

  test('finds branch and hash', async () => {
    const url = await serve();

    expect(await resolve(url, 'main')).toBe(git(repository, 'rev-parse', 'main'));
    expect(await resolve(url, repository.commit)).toBe(repository.commit);
  });

  test.each(['http', 'https'])('uses its proxy to reach %s', async (scheme) => {
    const url = await serve(scheme === 'https' ? { tls: readTls() } : {});
    const proxy = await startHttpProxy();
    const options = { caFile: toTlsFile('loopback.crt') };
    const direct = { url: proxy.url, noProxy: 'example.org,127.0.0.1' };

    await resolve(url, 'main', { ...options, proxy: direct });
    expect(proxy.passed).toEqual([]);
    await resolve(url, 'main', { ...options, proxy: { url: proxy.url, noProxy: '' } });
    expect(new Set(proxy.passed)).toEqual(new Set([new URL(url).host]));
    await proxy.close();
    const gone = { url: proxy.url, noProxy: '' };
    await expect(resolve(url, 'main', { ...options, proxy: gone })).rejects.toMatchObject({
      fault: 'unavailable',
      message: expect.stringContaining(`port ${new URL(proxy.url).port}`),
    });
  });

  test.each([
    ['https', 407, 'rejected', 'is refused by the proxy: '],
    ['http', 407, 'rejected', 'is refused by the proxy: '],
    ['https', 403, 'rejected', 'is refused by the proxy: '],
    ['https', 503, 'unavailable', 'could not be reached: '],
  ])('tells for %s that its proxy answers %i', async (scheme, status, fault, meaning) => {
    const proxy = await startHttpProxy(status);
    const resolving = resolve(`${scheme}://git.invalid/a`, 'main', {
      proxy: { url: proxy.url, noProxy: '' },
    });
    const message = expect.stringMatching(`^Repository ${scheme}://git.invalid/a ${meaning}`);
    await expect(resolving).rejects.toMatchObject({ fault, reason: 'GIT_CLONE', message });
    await proxy.close();
  });

  test('finds a hash that an old server does not serve directly', async () => {
    const url = await serve({ isOld: true });

    expect(await resolve(url, repository.commit)).toBe(repository.commit);
    await expect(resolve(url, 'f'.repeat(40))).rejects.toMatchObject({ reason: 'GIT_REF' });
  });

  test('takes credentials from the file, even if its name needs quoting', async () => {
    const url = await serve({ credentials: 'ada:s3cret' });
    const credentialsFile = saveCredentials(withUser(url, 'ada:s3cret'), `it's "mine" $HOME`);

    expect(await resolve(url, 'main', { credentialsFile })).toHaveLength(40);
  });

  test('sends no credentials to another server than theirs', async () => {
    const url = await serve({ credentials: 'ada:s3cret' });
    const credentialsFile = saveCredentials('http://ada:s3cret@127.0.0.1:9');

    await expect(resolve(url, 'main', { credentialsFile })).rejects.toMatchObject({
      fault: 'rejected',
    });
    expect(server?.authorizations.every((sent) => sent === undefined)).toBe(true);
  });

  test('reports a refusal without the credentials, and leaves the file as it is', async () => {
    const url = await serve({ credentials: 'ada:changed' });
    const credentialsFile = saveCredentials(withUser(url, 'ada:s3cret'));
    const before = readFileSync(credentialsFile);

    const error: unknown = await resolve(url, 'main', { credentialsFile }).catch(
      (thrown: unknown) => thrown,
    );

    expect(error).toMatchObject({
      fault: 'rejected',
      reason: 'GIT_CLONE',
      message: expect.stringMatching(/refused our credentials, or needs some: fatal: Auth/),
    });
    expect((error as Error).message).not.toMatch(/s3cret|ada/);
    expect(readFileSync(credentialsFile)).toEqual(before);
  });

  test('does not prompt if there are no credentials', async () => {
    const url = await serve({ credentials: 'ada:s3cret' });

    await expect(resolve(url, 'main')).rejects.toMatchObject({
      fault: 'rejected',
      reason: 'GIT_CLONE',
      message: expect.stringContaining('refused our credentials, or needs some'),
    });
  });

  test('hides credentials in a URL', async () => {
    const url = (await serve({ status: 404 })).replace('//', '//ada:s3cret@');

    const error: unknown = await resolve(url, 'main').catch((thrown: unknown) => thrown);

    expect((error as Error).message).not.toMatch(/s3cret|ada/);
    expect((error as Error).message).toContain('is not there');
  });

  test.each([
    [403, 'rejected'],
    [404, 'rejected'],
    [429, 'unavailable'],
    [500, 'unavailable'],
    [503, 'unavailable'],
  ])('maps status %d to %s', async (status, fault) => {
    const url = await serve({ status });

    await expect(resolve(url, 'main')).rejects.toMatchObject({ fault, reason: 'GIT_CLONE' });
  });

  test.each([
    ['a port where nobody listens', 'http://127.0.0.1:9/x.git'],
    ['a host that does not exist', 'https://nowhere.invalid/x.git'],
  ])('is unavailable at %s', async (_title, url) => {
    await expect(resolve(url, '')).rejects.toMatchObject({
      fault: 'unavailable',
      reason: 'GIT_CLONE',
      message: expect.stringMatching(/^Repository .*x\.git could not be reached: fatal: /),
    });
  });

  test('trusts the given authority and no other', async () => {
    const url = await serve({ tls: readTls() });
    const caFile = toTlsFile('loopback.crt');

    expect(await resolve(url, 'main', { caFile })).toHaveLength(40);
    await expect(resolve(url, 'main')).rejects.toMatchObject({
      fault: 'rejected',
      reason: 'GIT_CLONE',
      message: expect.stringContaining('has a certificate that is not trusted'),
    });
  });

  test('gives up after its time limit, with every process', async () => {
    const url = await serve({ isSilent: true });

    await expect(resolve(url, 'main', { timeoutSeconds: 0.3 })).rejects.toMatchObject({
      fault: 'unavailable',
      reason: 'GIT_CLONE',
      message: `Repository ${url} did not answer in time`,
    });
    await waitFor(() => listProcessesOf(url).length === 0, { what: 'git to be gone' });
  });

  test('ends with the reason of an abort, with every process', async () => {
    const url = await serve({ isSilent: true });
    const abort = new AbortController();
    const resolved = resolve(url, 'main', {}, abort.signal);
    await waitFor(() => server?.authorizations.length, { what: 'the request' });
    expect(listProcessesOf(url).length).toBeGreaterThan(1);

    abort.abort(new Error('cancelled'));

    await expect(resolved).rejects.toThrow('cancelled');
    await waitFor(() => listProcessesOf(url).length === 0, { what: 'git to be gone' });
  });
});

/** Processes that have the URL in their arguments: git and its transport. */
function listProcessesOf(url: string): readonly string[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .filter((pid) => {
      try {
        return readFileSync(`/proc/${pid}/cmdline`, 'utf8').includes(url);
      } catch {
        return false;
      }
    });
}

describe('createGitClient', () => {
  test('removes directories that a killed process has left, and none that may be in use', async () => {
    const make = (secondsAgo: number) => {
      const path = mkdtempSync(join(tmpdir(), 'keelson-remote-'));
      writeFileSync(join(path, 'credentials'), 'https://user:secret@host\n');
      const then = Date.now() / 1000 - secondsAgo;
      utimesSync(path, then, then);
      return path;
    };
    const [abandoned, used] = [make(3600), make(60)];
    createGitClient({ protocols: 'https' });
    await waitFor(() => !existsSync(abandoned), { what: 'the abandoned directory to go' });
    expect(existsSync(used)).toBe(true);
    rmSync(used, { recursive: true });
  });
});
