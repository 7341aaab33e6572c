import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, relative } from 'node:path';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { startGitHttpServer, type GitHttpServer } from '../clients/git-http-server.js';
import { startHsmStandIn, type HsmStandIn } from '../support/hsm-stand-in.js';
import { createRepository, type Repository } from '../support/git-repository.js';
import { createKey } from '../support/ssh-host.js';
import { waitFor } from '../support/wait.js';
import { openSite, renderPlaybook, writes, type Site } from './site.js';

const PASSWORD = 'pa55 "wörd\\/of+the%git&server';
const SOURCE_PASSWORD = 'pa55 of+a/söurce%alone';
const API_TOKEN = 'token-of-a-writer-0123456789';
const HSM_TOKEN = 'token-of-the-hsm-0123456789';
const UNLOGGED = 'variable-that-no-task-logs-0123456789';
/** The cloned repository, which has the variables. */
const CLONED = /^jobs\/[^/]+\/workspace\/layer[01]\//;
/** Files of a running job and of the data directory that are meant to hold secrets. */
const KEPT = [
  CLONED,
  /^master\.key$/,
  /^jobs\/[^/]+\/secrets\//,
  // `home/.ssh` is a link to `ssh`.
  /^jobs\/[^/]+\/workspace\/(home\/\.)?ssh\/id_ecdsa$/,
];

let directory: string;
let repository: Repository;
let server: GitHttpServer;
let sourceServer: GitHttpServer;
let hsm: HsmStandIn;
let site: Site;
let secrets: Readonly<Record<string, string>>;
beforeAll(async () => {
  directory = mkdtempSync(join(tmpdir(), 'keelson-secrets-'));
  const credentialsFile = join(directory, 'credentials');
  const gitKeyFile = join(directory, 'git-key');
  createKey(gitKeyFile);
  const tokensFile = join(directory, 'tokens');
  writeFileSync(tokensFile, `${API_TOKEN} write ann\n`, { mode: 0o600 });
  const hsmTokenFile = join(directory, 'hsm-token');
  writeFileSync(hsmTokenFile, `${HSM_TOKEN}\n`, { mode: 0o600 });
  hsm = await startHsmStandIn();
  hsm.content.groups = [{ label: 'lab', members: { ids: ['node1', 'node2'] } }];
  repository = createRepository({
    files: { 'site.yml': renderLeakingPlaybook(), 'vars.yml': `unlogged: ${UNLOGGED}\n` },
  });
  server = await startGitHttpServer({
    root: dirname(repository.directory),
    credentials: `reader:${PASSWORD}`,
  });
  const readTls = (name: string) =>
    readFileSync(new URL(`../fixtures/tls/${name}`, import.meta.url), 'utf8');
  const certificate = readTls('loopback.crt');
  sourceServer = await startGitHttpServer({
    root: dirname(repository.directory),
    credentials: `owner:${SOURCE_PASSWORD}`,
    tls: { key: readTls('loopback.key'), cert: certificate },
  });
  writeFileSync(join(directory, 'site-ca'), certificate);
  const { host } = new URL(server.url);
  const login = `reader:${encodeURIComponent(PASSWORD)}`;
  writeFileSync(credentialsFile, `http://${login}@${host}\n`, { mode: 0o600 });
  site = await openSite({
    token: API_TOKEN,
    environment: {
      GIT_CREDENTIALS_FILE: credentialsFile,
      GIT_SSH_KEY_FILE: gitKeyFile,
      SOURCE_CA_DIRECTORY: directory,
      AUTH_TOKENS_FILE: tokensFile,
      INVENTORY_FILE: '',
      HSM_URL: hsm.url,
      HSM_TOKEN_FILE: hsmTokenFile,
    },
  });
  secrets = {
    password: PASSWORD,
    'encoded password': encodeURIComponent(PASSWORD),
    'password in JSON': JSON.stringify(PASSWORD).slice(1, -1),
    'basic authentication': Buffer.from(`reader:${PASSWORD}`).toString('base64'),
    'password of the source': SOURCE_PASSWORD,
    'encoded password of the source': encodeURIComponent(SOURCE_PASSWORD),
    'basic authentication of the source': Buffer.from(`owner:${SOURCE_PASSWORD}`).toString(
      'base64',
    ),
    'token of the API': API_TOKEN,
    'token of the HSM': HSM_TOKEN,
    'variable of a no_log task': UNLOGGED,
    'key for git': readKey(gitKeyFile),
    'key for hosts': readKey(join(site.directory, 'user-key')),
  };
});
afterAll(async () => {
  await site.close();
  await server.close();
  await sourceServer.close();
  await hsm.close();
  repository.remove();
  rmSync(directory, { recursive: true, force: true });
});

test('while a job runs, secrets are in their files and nowhere else', async () => {
  const layer = { clone_url: `${server.url}/repository.git`, commit: repository.commit };
  const created = await site.ask('POST', '/v3/sources', {
    ...{ name: 'site', clone_url: `${sourceServer.url}/repository.git` },
    credentials: { username: 'owner', password: SOURCE_PASSWORD },
    ca_cert: { configmap_name: 'site-ca' },
  });
  expect(created.status).toBe(201);
  await site.configure('secret', [
    { ...layer, playbook: 'site.yml' },
    { source: 'site', branch: repository.branch, playbook: 'site.yml' },
  ]);
  await site.submit('secret', {
    configuration_name: 'secret',
    ansible_passthrough: '--extra-vars @layer0/vars.yml',
  });
  await waitFor(() => site.made('begun').node1 !== undefined && site.made('begun').node2, {
    what: 'the playbook to run',
  });
  const { job } = (await site.find('secret')).status.session;
  const jobDirectory = join(site.directory, 'data', 'jobs', job ?? '');
  const token = readFileSync(join(jobDirectory, 'secrets', 'token'), 'utf8').trim();
  secrets = { ...secrets, token };
  expect(hsm.requests.map(({ authorization }) => authorization)).toContain(`Bearer ${HSM_TOKEN}`);
  expect(server.authorizations).toContain(`Basic ${secrets['basic authentication']}`);
  const ofSource = `Basic ${secrets['basic authentication of the source']}`;
  expect(sourceServer.authorizations).toContain(ofSource);
  expect(server.authorizations).not.toContain(ofSource);
  const { body } = await site.ask('GET', '/v3/sessions/secret/phases');
  const { phases } = body as { phases: readonly { name: string; exit_code: number }[] };
  const exits = phases.slice(0, 2).map(({ name, exit_code: code }) => `${name}: ${code}`);
  expect(exits).toEqual(['git-clone-0: 0', 'git-clone-1: 0']);

  expect(findIn('arguments of', readArguments())).toEqual([]);
  expect(findIn('environment of', readEnvironments(job ?? ''))).toEqual([]);
  expect(findIn('file', readFiles(site.directory, KEPT))).toEqual([]);
  writeFileSync(join(site.directory, 'go'), '');

  const ended = await site.whenOver('secret');
  expect(ended).toMatchObject({ succeeded: 'false', reason: 'TASK_FAILED' });
  expect(findIn('answer', await readAnswers())).toEqual([]);
  const client = await site.temporalClient();
  const history = await client.workflow.getHandle(ended.job).fetchHistory();
  const payloads = JSON.stringify(history, (_, value: unknown) =>
    value instanceof Uint8Array ? Buffer.from(value).toString() : value,
  );
  expect(findIn('history', [['history', Buffer.from(payloads)]])).toEqual([]);
});

test('after the job, no file of the data directory contains secrets', () => {
  expect(findIn('file', readFiles(site.directory, [/^master\.key$/, CLONED]))).toEqual([]);
});

test('neither the answer to a bad request nor the log about it contains secrets', async () => {
  const withPassword = server.url.replace('://', `://reader:${encodeURIComponent(PASSWORD)}@`);
  const layer = { clone_url: `${withPassword}/repository.git`, playbook: 'site.yml' };
  const bad: readonly (readonly [method: string, path: string, body?: unknown])[] = [
    ['PUT', '/v3/configurations/bad', { layers: [{ ...layer, branch: 'main' }] }],
    ['PATCH', '/v3/options', { additional_inventory_url: `${withPassword}/hosts.git` }],
    ['POST', '/v3/sessions', { name: 'a', configuration_name: 'secret', token: API_TOKEN }],
    ['POST', '/v3/sessions', { name: 'a', configuration_name: 'secret', tags: { a: [UNLOGGED] } }],
  ];
  for (const [method, path, body] of bad) {
    const { status, body: problem } = await site.ask(method, path, body);
    expect({ path, status }).toEqual({ path, status: 400 });
    const found = findIn('answer', [[path, Buffer.from(JSON.stringify(problem))]]);
    expect(found).toEqual([]);
  }
  const headers = { authorization: `Bearer ${API_TOKEN}x` };
  const refused = await fetch(`${site.url}/v3/sessions`, { headers });
  expect(refused.status).toBe(401);
  expect(findIn('answer', [['401', Buffer.from(await refused.text())]])).toEqual([]);
  expect(findIn('file', readFiles(site.directory, [/^master\.key$/, CLONED]))).toEqual([]);
});

test('secrets that a playbook prints are masked in its log', async () => {
  const log = await site.log('secret', 'ansible-0');
  expect(log).toMatch(/leaked/);
  expect(findIn('log', [['ansible-0', Buffer.from(log)]])).toEqual([]);
});

type Text = readonly [name: string, bytes: Buffer];

/** Lists which secrets are where, by name. */
function findIn(kind: string, texts: Iterable<Text>): readonly string[] {
  const found: string[] = [];
  for (const [name, bytes] of texts) {
    for (const [secret, value] of Object.entries(secrets))
      if (bytes.includes(value)) found.push(`${secret} in ${kind} ${name}`);
  }
  return found;
}

function* readFiles(root: string, kept: readonly RegExp[]): Iterable<Text> {
  for (const entry of readdirSync(root, { recursive: true, withFileTypes: true })) {
    const path = join(entry.parentPath, entry.name);
    const inData = relative(join(root, 'data'), path);
    const isKept = kept.some((pattern) => pattern.test(inData)) || path === join(root, 'user-key');
    if (!entry.isFile() || isKept) continue;
    const bytes = readIfThere(path);
    if (bytes !== undefined) yield [path, bytes];
  }
}

function* readArguments(): Iterable<Text> {
  for (const pid of listProcesses()) {
    const bytes = readIfThere(`/proc/${pid}/cmdline`);
    if (bytes !== undefined) yield [pid, bytes];
  }
}

/** The environments of the job's processes. */
function* readEnvironments(job: string): Iterable<Text> {
  for (const pid of listProcesses()) {
    const bytes = readIfThere(`/proc/${pid}/environ`);
    if (bytes?.includes(`KEELSON_JOB=${job}`)) yield [pid, bytes];
  }
}

async function readAnswers(): Promise<Iterable<Text>> {
  const paths = ['', '/phases', '/hosts', '/logs'].map((end) => `/v3/sessions/secret${end}`);
  return Promise.all(
    [...paths, '/v3/configurations', '/v3/options', '/v3/sources'].map(
      async (path): Promise<Text> => {
        const { body } = await site.ask('GET', path);
        return [path, Buffer.from(typeof body === 'string' ? body : JSON.stringify(body))];
      },
    ),
  );
}

const listProcesses = () => readdirSync('/proc').filter((name) => /^\d+$/.test(name));

function readIfThere(path: string): Buffer | undefined {
  try {
    return readFileSync(path);
  } catch {
    // The process has ended, or the file is gone, since it was listed.
    return undefined;
  }
}

/** A line from within the key, because all keys begin alike. */
function readKey(file: string): string {
  const lines = readFileSync(file, 'utf8').trim().split('\n');
  const own = lines.at(-3);
  if (own === undefined) throw new Error(`${file} is no key.`);
  return own;
}

/** Reads secrets that it should not read, as any playbook could, and prints them. */
function renderLeakingPlaybook(): string {
  const found = ['git-credentials', 'git-credentials-git-clone-1']
    .map((name) => `{{ lookup('file', playbook_dir + '/../../secrets/${name}') }}`)
    .join(' ');
  return renderPlaybook(
    writes('begun', 'x'),
    `wait_for:\n  path: "{{ playbook_dir }}/../../../../../go"\ndelegate_to: localhost\nconnection: local`,
    `name: Use it\nshell: echo "{{ unlogged }}"; exit 1\nno_log: true\nignore_errors: true`,
    `name: Leak\nfail:\n  msg: "leaked ${found} and {{ lookup('file', playbook_dir + '/../ssh/id_ecdsa') }}"`,
  );
}
