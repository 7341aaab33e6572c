import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, relative, resolve } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { parseConfig } from '../src/config.js';
import { isLoopback, toUrl } from '../src/config/address.js';
import { VARIABLES } from '../src/config/variables.js';
import { readVersion } from '../src/process/version.js';

describe('parseConfig', () => {
  let directory: string;
  let file: string;

  beforeAll(() => {
    directory = mkdtempSync(join(tmpdir(), 'keelson-config-'));
    file = join(directory, 'file');
    writeFileSync(file, '');
  });
  afterAll(() => rmSync(directory, { recursive: true }));

  test('needs no variables', () => {
    const config = parseConfig({ KEELSON_CACHE: '/cache' });

    expect(config).toEqual({
      dataDirectory: './data',
      database: { kind: 'sqlite', path: 'data/keelson.db' },
      masterKeyFile: 'data/master.key',
      sweepSeconds: 60,
      metrics: {},
      api: {
        listen: { host: '127.0.0.1', port: 8080 },
        auth: { kind: 'loopback' },
        maxBodyBytes: 16 * 1024 * 1024,
        maxListBytes: 256 * 1024 * 1024,
      },
      temporal: {
        namespace: 'default',
        cli: '/cache/temporal-1.5.1/temporal',
        port: 7233,
        uiPort: 8233,
      },
      runner: {
        kind: 'local',
        jobsDirectory: 'data/jobs',
        jobRetentionSeconds: 3600,
        python: 'python3',
        ansiblePlaybook: '/cache/ansible/bin/ansible-playbook',
        maxWatchedJobs: 200,
        gitCache: { directory: 'data/git-cache', maxBytes: 2 ** 30 },
      },
      imageService: {
        directory: 'data/image-service',
        sshAddress: '127.0.0.1',
        maxJobAgeSeconds: 604_800,
        enableDkms: true,
      },
      sources: { gitProtocols: 'https:ssh', hsmUrl: 'http://cray-smd/hsm/v2' },
    });
  });

  test('knows the runners', () => {
    expect(parseConfig({ RUNNER: 'none' }).runner.kind).toBe('none');
    expect(() => parseConfig({ RUNNER: 'docker' })).toThrow(
      'RUNNER: "docker" is not local, kubernetes or none.',
    );
  });

  test('refuses webhooks without a worker', () => {
    expect(() => parseConfig({ RUNNER: 'none', WEBHOOKS_FILE: file })).toThrow(
      'WEBHOOKS_FILE: with RUNNER=none there is no worker that could call webhooks.',
    );
  });

  test('reads the settings for Kubernetes, and says what is wrong with them', () => {
    const settings = join(directory, 'settings.yaml');
    writeFileSync(settings, 'image: registry/jobs:1\n');
    const environment = { RUNNER: 'kubernetes', KUBERNETES_SETTINGS_FILE: settings };
    const { kubernetes } = parseConfig({ ...environment, KUBERNETES_NAMESPACE: 'n' }).runner;
    expect(kubernetes).toMatchObject({
      settings: { image: 'registry/jobs:1' },
      namespace: 'n',
      jobTtlSeconds: 3600,
    });
    const forEver = parseConfig({ ...environment, KUBERNETES_JOB_TTL: '9999999999' }).runner;
    expect(forEver.kubernetes?.jobTtlSeconds).toBe(2_147_483_647);
    expect(() => parseConfig({ RUNNER: 'kubernetes' })).toThrow('KUBERNETES_SETTINGS_FILE: ');
    writeFileSync(settings, 'image: a\nmesh: maybe\n');
    expect(() => parseConfig(environment)).toThrow(
      new RegExp(`^KUBERNETES_SETTINGS_FILE: ${settings}: mesh: `),
    );
  });

  test('makes paths absolute, because git and jobs run in other directories', () => {
    const [path, program] = [relative(process.cwd(), file), './venv/bin/ansible-playbook'];
    const environment = { GIT_CA_FILE: path, ANSIBLE_PLAYBOOK: program };
    const { sources, runner } = parseConfig(environment);
    expect(sources.gitCaFile).toBe(file);
    expect(runner.ansiblePlaybook).toBe(resolve(program));
    expect(parseConfig({ KEELSON_CACHE: 'cache' }).runner.ansiblePlaybook).toBe(
      resolve('cache/ansible/bin/ansible-playbook'),
    );
    expect(parseConfig({ ANSIBLE_PLAYBOOK: 'ansible' }).runner.ansiblePlaybook).toBe('ansible');
  });

  test('takes every variable that names a file', () => {
    const { runner, sources, api, webhooksFile } = parseConfig({
      AUTH_TOKENS_FILE: file,
      SSH_PRIVATE_KEY_FILE: file,
      SSH_PUBLIC_KEY_FILE: file,
      SSH_CERTIFICATE_FILE: file,
      GIT_CREDENTIALS_FILE: file,
      GIT_CA_FILE: file,
      GIT_SSH_KEY_FILE: file,
      GIT_KNOWN_HOSTS_FILE: file,
      HSM_TOKEN_FILE: file,
      HSM_CA_FILE: file,
      INVENTORY_FILE: file,
      WEBHOOKS_FILE: file,
    });

    expect(webhooksFile).toBe(file);
    expect(api.auth).toEqual({ kind: 'tokens', file });
    expect(runner).toMatchObject({
      sshPrivateKeyFile: file,
      sshPublicKeyFile: file,
      sshCertificateFile: file,
    });
    expect(sources).toMatchObject({
      gitCredentialsFile: file,
      gitCaFile: file,
      gitSshKeyFile: file,
      gitKnownHostsFile: file,
      hsmTokenFile: file,
      hsmCaFile: file,
      inventoryFile: file,
    });
  });

  test('takes a proxy for git, which may have no password', () => {
    const proxyOf = (environment: Record<string, string>) =>
      parseConfig(environment).sources.gitProxy;
    const GIT_PROXY = 'http://proxy:3128/';
    const url = 'http://proxy:3128';
    expect(proxyOf({ GIT_NO_PROXY: '.internal', HTTPS_PROXY: GIT_PROXY })).toBeUndefined();
    expect(proxyOf({ GIT_PROXY })).toEqual({ url, noProxy: '' });
    expect(proxyOf({ GIT_PROXY, GIT_NO_PROXY: '.internal' })).toEqual({
      url,
      noProxy: '.internal',
    });
    expect(() => proxyOf({ GIT_PROXY: 'http://me:planted@proxy' })).toThrow(
      /^GIT_PROXY: (?!.*planted)/,
    );
  });

  test('derives paths from the data directory', () => {
    const config = parseConfig({ KEELSON_DATA: '/srv/keelson' });

    expect(config.database).toEqual({ kind: 'sqlite', path: '/srv/keelson/keelson.db' });
    expect(config.masterKeyFile).toBe('/srv/keelson/master.key');
    expect(config.runner.jobsDirectory).toBe('/srv/keelson/jobs');
  });

  test('takes a PostgreSQL with a password from a file or the URL, but not from both', () => {
    const passwordFile = join(directory, 'password');
    writeFileSync(passwordFile, 'p w\n');
    const url = 'postgresql://keelson@db/keelson';
    const withPassword = 'postgresql://keelson:planted@db/keelson';

    expect(
      parseConfig({ DATABASE_URL: url, DATABASE_PASSWORD_FILE: passwordFile }).database,
    ).toEqual({ kind: 'postgres', url, passwordFile, poolSize: 10 });
    expect(parseConfig({ DATABASE_URL: withPassword, DATABASE_POOL_SIZE: '3' }).database).toEqual({
      kind: 'postgres',
      url: withPassword,
      poolSize: 3,
    });
    expect(() =>
      parseConfig({ DATABASE_URL: withPassword, DATABASE_PASSWORD_FILE: passwordFile }),
    ).toThrow(/only one may hold a password/);
    expect(() => parseConfig({ DATABASE_URL: 'x://u:planted@h' })).not.toThrow(/planted/);
  });

  test('treats an empty variable as absent', () => {
    const empty = Object.fromEntries(Object.keys(VARIABLES).map((name) => [name, ''] as const));

    expect(parseConfig(empty)).toEqual(parseConfig({}));
  });

  test('drops the slash at the end of a URL', () => {
    const config = parseConfig({
      HSM_URL: 'https://smd/hsm/v2/',
      JOB_API_URL: 'http://api:8080//',
    });

    expect(config.sources.hsmUrl).toBe('https://smd/hsm/v2');
    expect(config.api.jobUrl).toBe('http://api:8080');
  });

  test('takes an address for each kind of metrics', () => {
    const config = parseConfig({
      METRICS_LISTEN: '0.0.0.0:9100',
      WORKER_METRICS_LISTEN: 'localhost:9101',
      TEMPORAL_METRICS_LISTEN: '[::1]:9102',
    });

    expect(config.metrics).toEqual({
      api: { host: '0.0.0.0', port: 9100 },
      worker: { host: 'localhost', port: 9101 },
      temporal: { host: '::1', port: 9102 },
    });
  });

  test('finds temporal on the path before the cache', () => {
    writeFileSync(join(directory, 'temporal'), '');

    expect(parseConfig({ PATH: `/nowhere:${directory}` }).temporal.cli).toBe(
      join(directory, 'temporal'),
    );
    expect(parseConfig({ PATH: directory, TEMPORAL_CLI: '/opt/temporal' }).temporal.cli).toBe(
      '/opt/temporal',
    );
  });

  test.each([
    ['KEELSON_CACHE', { KEELSON_CACHE: '/k', XDG_CACHE_HOME: '/x' }, '/k/ansible'],
    ['XDG_CACHE_HOME', { XDG_CACHE_HOME: '/x' }, '/x/keelson/ansible'],
  ])('finds the cache by %s', (_name, environment, expected) => {
    expect(parseConfig(environment).runner.ansiblePlaybook).toBe(
      `${expected}/bin/ansible-playbook`,
    );
  });

  test.each([
    ['DATABASE_URL', 'db.example.org'],
    ['DATABASE_URL', 'mysql://user:planted@db/keelson'],
    ['DATABASE_URL', 'postgresql://user:1/planted@db/keelson'],
    ['DATABASE_URL', 'postgresql://user:1#planted@db/keelson'],
    ['DATABASE_PASSWORD_FILE', '/nowhere'],
    ['DATABASE_POOL_SIZE', '0'],
    ['API_LISTEN', 'localhost'],
    ['API_LISTEN', ':8080'],
    ['API_LISTEN', '127.0.0.1:65536'],
    ['API_LISTEN', '::1:8080'],
    ['JOB_LISTEN', 'x'],
    ['JOB_API_URL', 'api:8080'],
    ['JOB_API_URL', 'ftp://api'],
    ['HSM_URL', 'cray-smd'],
    ['HSM_URL', 'http://user:planted@smd'],
    ['HSM_URL', 'htp://user:plan@planted@smd'],
    ['HSM_URL', '//user:planted@smd'],
    ['AUTH', 'basic'],
    ['AUTH_TOKENS_FILE', '/nowhere'],
    ['MAX_BODY_BYTES', '0'],
    ['MAX_BODY_BYTES', '-1'],
    ['MAX_BODY_BYTES', '1e3'],
    ['MAX_BODY_BYTES', '9'.repeat(400)],
    ['TEMPORAL_PORT', 'x'],
    ['TEMPORAL_PORT', '65536'],
    ['TEMPORAL_UI_PORT', '-1'],
    ['JOB_RETENTION', '1.5'],
    ['MAX_WATCHED_JOBS', '0'],
    ['ANSIBLE_CONFIG_DIRECTORY', '/nowhere'],
    ['SSH_PRIVATE_KEY_FILE', '/nowhere'],
    ['SSH_PUBLIC_KEY_FILE', '/nowhere'],
    ['SSH_CERTIFICATE_FILE', '/nowhere'],
    ['GIT_CREDENTIALS_FILE', '/nowhere'],
    ['GIT_CA_FILE', '/nowhere'],
    ['GIT_SSH_KEY_FILE', '/nowhere'],
    ['GIT_KNOWN_HOSTS_FILE', '/nowhere'],
    ['HSM_TOKEN_FILE', '/nowhere'],
    ['HSM_CA_FILE', '/nowhere'],
    ['INVENTORY_FILE', '/nowhere'],
    ['WEBHOOKS_FILE', '/nowhere'],
    ['METRICS_LISTEN', '9100'],
    ['WORKER_METRICS_LISTEN', 'x:'],
    ['TEMPORAL_METRICS_LISTEN', 'localhost:9464'],
    ['LOG_LEVEL', 'verbose'],
  ])('refuses %s=%s and names it', (name, value) => {
    expect(() => parseConfig({ [name]: value })).toThrow(new RegExp(`^${name}: `));
    expect(() => parseConfig({ [name]: value })).not.toThrow(/planted/);
  });

  describe('where the API listens', () => {
    test.each(['127.0.0.1:0', '127.8.9.10:80', '[::1]:8080', 'localhost:8080'])(
      'takes the loopback address %s without authentication',
      (listen) => {
        expect(parseConfig({ API_LISTEN: listen }).api.auth).toEqual({ kind: 'loopback' });
      },
    );

    test.each([
      '0.0.0.0:8080',
      '[::]:8080',
      '10.1.2.3:8080',
      'api.example.org:80',
      '127.evil.org:80',
    ])('refuses %s without authentication', (listen) => {
      expect(() => parseConfig({ API_LISTEN: listen })).toThrow(
        /^API_LISTEN: .* is not a loopback address\. Set AUTH_TOKENS_FILE, or AUTH=none/,
      );
    });

    test('takes any address with tokens, or with AUTH=none', () => {
      const listen = { API_LISTEN: '0.0.0.0:8080' };

      expect(parseConfig({ ...listen, AUTH: 'none' }).api.auth).toEqual({ kind: 'none' });
      expect(parseConfig({ ...listen, AUTH_TOKENS_FILE: file }).api.auth.kind).toBe('tokens');
    });

    test('refuses AUTH_TOKENS_FILE together with AUTH=none', () => {
      expect(() => parseConfig({ AUTH: 'none', AUTH_TOKENS_FILE: file })).toThrow(
        'AUTH and AUTH_TOKENS_FILE exclude each other.',
      );
    });

    test('lets jobs deliver at another address: they always have a token', () => {
      const { api } = parseConfig({ JOB_LISTEN: '0.0.0.0:8081', JOB_API_URL: 'http://me:8081' });

      expect(api.jobListen).toEqual({ host: '0.0.0.0', port: 8081 });
      expect(api.jobUrl).toBe('http://me:8081');
    });
  });
});

describe('isLoopback, toUrl', () => {
  test('know addresses of both families', () => {
    expect(isLoopback({ host: '::1', port: 1 })).toBe(true);
    expect(isLoopback({ host: '::', port: 1 })).toBe(false);
    expect(toUrl({ host: '::1', port: 80 })).toBe('http://[::1]:80');
    expect(toUrl({ host: '127.0.0.1', port: 8080 })).toBe('http://127.0.0.1:8080');
  });
});

describe('readVersion', () => {
  test('reads the version of the package', () => {
    expect(readVersion()).toMatch(/^\d+\.\d+\.\d+/);
  });
});
