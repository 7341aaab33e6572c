import { existsSync, readFileSync } from 'node:fs';
import { isIP } from 'node:net';
import { homedir } from 'node:os';
import { delimiter, join } from 'node:path';
import type { TLSConfig } from '@temporalio/client';
import { parsePodSettings, type PodSettings } from './runner/pod-settings.js';

/** Everything that the environment decides, parsed once: complete, or the process does not start. */
export interface Config {
  /** Holds the embedded database, jobs, keys and Temporal's file. */
  readonly dataDirectory: string;
  readonly database: DatabaseConfig;
  readonly api: ApiConfig;
  readonly temporal: TemporalConfig;
  readonly runner: RunnerConfig;
  readonly sources: SourceConfig;
  readonly masterKeyFile: string;
  readonly sweepSeconds: number;
  readonly metrics: MetricsConfig;
  readonly imageService: ImageServiceConfig;
  /** Absent: the option `logging_level` decides. */
  readonly logLevel?: string;
}

export type DatabaseConfig =
  | { readonly kind: 'sqlite'; readonly path: string }
  | {
      readonly kind: 'postgres';
      readonly url: string;
      readonly password?: string;
      readonly poolSize: number;
    };

export interface Address {
  readonly host: string;
  readonly port: number;
}

export interface ApiConfig {
  readonly listen: Address;
  /** Serves only what jobs call; absent: the API's own address does. */
  readonly jobListen?: Address;
  /** Where people reach the API; absent: as they came. */
  readonly publicUrl?: string;
  /** Where jobs reach those routes; absent: from the listening address. */
  readonly jobUrl?: string;
  readonly auth:
    | { readonly kind: 'none' }
    | { readonly kind: 'tokens'; readonly file: string }
    | { readonly kind: 'loopback' };
  readonly maxBodyBytes: number;
  readonly maxListBytes: number;
}

/** Where they are told, without a token. */
export interface MetricsConfig {
  /** Of the API; absent: on its own address, to whoever may read. */
  readonly api?: Address;
  /** Of a worker that is a process of its own; absent: nowhere. */
  readonly worker?: Address;
  /** What Temporal's SDK counts in the worker; absent: nowhere. */
  readonly temporal?: Address;
}

export interface TemporalConfig {
  /** Absent in embedded mode: a dev server is started. */
  readonly address?: string;
  readonly namespace: string;
  /** Absent: the address is reached without TLS. */
  readonly tls?: TLSConfig;
  readonly cli: string;
  /** Of the dev server; 0 = a free one. */
  readonly port: number;
  readonly uiPort: number;
}

export interface RunnerConfig {
  /** `none`: sessions are recorded for an operator outside, and nothing is started. */
  readonly kind: 'local' | 'kubernetes' | 'none';
  /** Present where the kind says so. */
  readonly kubernetes?: KubernetesConfig;
  readonly jobsDirectory: string;
  readonly jobRetentionSeconds: number;
  readonly python: string;
  readonly ansiblePlaybook: string;
  readonly ansibleConfigDirectory?: string;
  readonly sshPrivateKeyFile?: string;
  readonly sshPublicKeyFile?: string;
  readonly sshCertificateFile?: string;
  readonly maxWatchedJobs: number;
}

export interface KubernetesConfig {
  readonly settings: PodSettings;
  /** Absent: that of the context, which in a pod is its own. */
  readonly namespace?: string;
  /** Absent: as `kubectl` finds it, in a pod by its service account. */
  readonly kubeconfigFile?: string;
  readonly jobTtlSeconds: number;
}

export interface SourceConfig {
  /** `https:ssh` and the like, as git's GIT_ALLOW_PROTOCOL. */
  readonly gitProtocols: string;
  /** In the format of git-credential-store. */
  readonly gitCredentialsFile?: string;
  readonly gitCaFile?: string;
  readonly gitSshKeyFile?: string;
  readonly gitKnownHostsFile?: string;
  readonly hsmUrl: string;
  readonly hsmTokenFile?: string;
  readonly hsmCaFile?: string;
  /** YAML in HSM's terms, instead of an HSM. */
  readonly inventoryFile?: string;
  /** With its prefix. Absent: no image sessions; `npm start` puts that of its own image service here. */
  readonly imsUrl?: string;
  readonly imsTokenFile?: string;
  readonly imsCaFile?: string;
  /** Where credentials of sources are that only a name is known of. */
  readonly vault?: VaultConfig;
  /** Holds what `ca_cert` of a source names. */
  readonly sourceCaDirectory?: string;
  /** Absent: there are no tenants. */
  readonly tapmsUrl?: string;
}

export interface VaultConfig {
  readonly url: string;
  readonly caFile?: string;
  /** Absent: a login by a token of Kubernetes. */
  readonly tokenFile?: string;
  /** That token; absent: the pod's own. */
  readonly jwtFile?: string;
  /** Of that login; absent: the namespace, as it lies beside that token. */
  readonly role?: string;
}

/** Of the service that holds and customizes images, where there is no IMS. */
export interface ImageServiceConfig {
  readonly directory: string;
  /** Absent: a default of its own, and a free port where `npm start` starts it. */
  readonly listen?: Address;
  readonly tokenFile?: string;
  /** IP address at which the environments of jobs are reached. */
  readonly sshAddress: string;
  /** 0 = any. */
  readonly maxJobAgeSeconds: number;
  readonly enableDkms: boolean;
}

/** Every variable that is read, with what the README says of it. */
export const VARIABLES = {
  KEELSON_DATA: 'data directory of the workers of one machine or container; default `./data`',
  DATABASE_URL:
    '`postgresql://user@host/name?sslmode=verify-full` of a PostgreSQL 14 or newer; absent: SQLite in the data directory',
  DATABASE_PASSWORD_FILE: 'the password for it, instead of one in the URL',
  DATABASE_POOL_SIZE: 'connections to it of one process, besides one that listens; default 10',
  KEELSON_CACHE: 'tools that the set-up installed; default below the user’s cache directory',
  API_LISTEN:
    'host:port of the API; default `127.0.0.1:8080`; other than loopback needs AUTH_TOKENS_FILE or AUTH',
  AUTH: '`none`: no authentication on any address (warned about at each start)',
  AUTH_TOKENS_FILE: 'tokens with their roles: a line each, `<token> read|write <name>`',
  PUBLIC_URL:
    'URL at which people reach the API, for links to logs; default: the address by which they came',
  JOB_LISTEN: 'host:port that serves jobs only; default: the API’s',
  JOB_API_URL: 'URL at which jobs reach it; default: from the address',
  MAX_BODY_BYTES: 'largest request body; default 16777216',
  MAX_LIST_BYTES:
    'the same of a list of components, each of which may be as large as MAX_BODY_BYTES; default 268435456. Of lists beyond MAX_BODY_BYTES one is taken at a time',
  MASTER_KEY_FILE:
    'key that job tokens derive from, and that encrypts credentials of sources; made at first start in the data directory',
  TEMPORAL_ADDRESS: 'host:port of a Temporal service; absent: `npm start` runs a dev server',
  TEMPORAL_NAMESPACE: 'default `default`',
  TEMPORAL_TLS_CA_FILE:
    'certificate authority of the Temporal service, which is reached with TLS then',
  TEMPORAL_TLS_CERT_FILE: 'certificate to show to it, which is reached with TLS then',
  TEMPORAL_TLS_KEY_FILE: 'its key',
  TEMPORAL_CLI: 'the `temporal` program; default: on the path, else in the cache',
  TEMPORAL_PORT: 'of the dev server; default 7233, 0 = any free one',
  TEMPORAL_UI_PORT: 'of its Web UI; default 8233, 0 = any free one',
  RUNNER:
    '`local` (default): jobs are processes of the worker’s machine; `kubernetes`: each is a Job of Kubernetes; `none`: sessions stay pending for an operator of yours, which reports by PATCH',
  KUBERNETES_SETTINGS_FILE:
    'what pods of jobs are like, in YAML: the image and more, see [docs/kubernetes.md](docs/kubernetes.md); needed with `RUNNER=kubernetes`',
  KUBERNETES_NAMESPACE: 'where jobs run; default: that of the context, in a pod its own',
  KUBERNETES_JOB_TTL: 'seconds a Job of Kubernetes is kept after its session; default 3600',
  KUBECONFIG:
    'as `kubectl` has it, but one file; default: `~/.kube/config`, in a pod its service account',
  JOB_RETENTION: 'seconds a job directory is kept after its end; default 3600',
  MAX_WATCHED_JOBS:
    'jobs that one worker watches at once, default 200; the others run too, and are watched when it is their turn',
  PYTHON: 'Python 3.10 or newer for jobs; default: Ansible’s in the cache, else `python3`',
  ANSIBLE_PLAYBOOK: 'ansible-playbook for jobs; default: in the cache',
  ANSIBLE_CONFIG_DIRECTORY: 'files that a session’s `ansible_config` may name',
  SSH_PRIVATE_KEY_FILE: 'key for the managed hosts',
  SSH_PUBLIC_KEY_FILE: 'its public half',
  SSH_CERTIFICATE_FILE: 'its certificate',
  GIT_ALLOW_PROTOCOL: 'schemes a repository may have; default `https:ssh`',
  GIT_CREDENTIALS_FILE: 'credentials by host, as git-credential-store has them',
  GIT_CA_FILE: 'certificate authority of the git servers',
  GIT_SSH_KEY_FILE: 'key for git over SSH',
  GIT_KNOWN_HOSTS_FILE: 'host keys for git over SSH',
  HSM_URL: 'default `http://cray-smd/hsm/v2`',
  HSM_TOKEN_FILE: 'bearer token for it',
  HSM_CA_FILE: 'its certificate authority',
  INVENTORY_FILE:
    'YAML with `groups`, `partitions`, `components` in HSM’s terms, instead of an HSM',
  IMS_URL:
    'the image management service, with its prefix if it has one: `http://cray-ims`; absent: `npm start` as root has an image service of its own, elsewhere there are no image sessions',
  IMS_TOKEN_FILE: 'bearer token for it',
  IMS_CA_FILE: 'its certificate authority',
  VAULT_ADDR:
    'Vault that has credentials of restored sources, in its KV store `secret`, and keys of tenants; absent: such sources cannot be read, and playbooks of tenants have no `VAULT_TOKEN`',
  VAULT_TOKEN_FILE: 'token for it; default: login by a service account of Kubernetes',
  VAULT_JWT_FILE: 'token of that service account; default: the pod’s own',
  VAULT_ROLE: 'role of that login; default: the pod’s namespace',
  VAULT_CA_FILE: 'its certificate authority',
  SOURCE_CA_DIRECTORY:
    'what `ca_cert` of sources names: `<configmap_name>` is a file there, or a directory as a mounted ConfigMap is',
  TAPMS_URL: 'the tenant service, like `http://cray-tapms/v1alpha3`; absent: any tenant is refused',
  IMAGE_SERVICE_DIRECTORY:
    'images, keys and jobs of the image service; default `image-service` in the data directory',
  IMAGE_SERVICE_LISTEN:
    'host:port of it; default `127.0.0.1:9000`, in `npm start` a free port; other than loopback needs IMAGE_SERVICE_TOKEN_FILE',
  IMAGE_SERVICE_TOKEN_FILE: 'bearer token that its clients must send; default: none',
  IMAGE_SSH_ADDRESS:
    'IP address at which images that are customized are reached over SSH; default `127.0.0.1`',
  IMAGE_JOB_MAX_AGE: 'seconds after which a customize job fails, 0 = never; default 604800',
  JOB_ENABLE_DKMS:
    '`true` (default) or `false`: whether such a job has `/proc`, `/sys` and `/dev` if its client does not say',
  SWEEP_INTERVAL:
    'seconds between two looks at what no workflow puts right: sessions without one, leftovers; default 60',
  METRICS_LISTEN:
    'host:port that tells the API’s metrics, without a token; default: `/metrics` of the API’s address',
  WORKER_METRICS_LISTEN:
    'host:port that tells the metrics of `npm run worker`, and whether it is ready; default: nowhere; in `npm start` the API tells them',
  TEMPORAL_METRICS_LISTEN:
    'address:port that tells what Temporal’s SDK counts in the worker; default: nowhere',
  LOG_LEVEL: 'debug, info, warn or error; default: the option `logging_level`, as it changes',
} as const;

type Variable = keyof typeof VARIABLES;
type Environment = Readonly<Record<string, string | undefined>>;

/** Throws a plain Error that names the variable: there is nobody to answer to yet. */
export function parseConfig(environment: Environment): Config {
  const get = (name: Variable) => (environment[name] === '' ? undefined : environment[name]);
  const dataDirectory = get('KEELSON_DATA') ?? './data';
  return {
    dataDirectory,
    database: parseDatabase(get, dataDirectory),
    api: parseApi(get),
    temporal: {
      ...optional('address', get('TEMPORAL_ADDRESS')),
      namespace: get('TEMPORAL_NAMESPACE') ?? 'default',
      ...optional('tls', parseTls(get)),
      cli:
        get('TEMPORAL_CLI') ??
        findOnPath('temporal', environment) ??
        inCache(environment, 'temporal-1.5.1/temporal'),
      port: parsePort('TEMPORAL_PORT', get('TEMPORAL_PORT') ?? '7233'),
      uiPort: parsePort('TEMPORAL_UI_PORT', get('TEMPORAL_UI_PORT') ?? '8233'),
    },
    runner: parseRunner(get, environment, dataDirectory),
    sources: parseSources(get),
    masterKeyFile: get('MASTER_KEY_FILE') ?? join(dataDirectory, 'master.key'),
    sweepSeconds: parseInteger('SWEEP_INTERVAL', get('SWEEP_INTERVAL') ?? '60', 1),
    metrics: parseMetrics(get),
    imageService: parseImageService(get, dataDirectory),
    ...optional('logLevel', parseLogLevel(get('LOG_LEVEL'))),
  };
}

export function isLoopback({ host }: Address): boolean {
  return host === 'localhost' || host === '::1' || /^127\.\d+\.\d+\.\d+$/.test(host);
}

export function toHostPort({ host, port }: Address): string {
  return `${host.includes(':') ? `[${host}]` : host}:${port}`;
}

export function toUrl(address: Address): string {
  return `http://${toHostPort(address)}`;
}

/** As long as a timer of Node's can wait. */
const MAX_TIMER_SECONDS = 2_147_483;

type Get = (name: Variable) => string | undefined;

function parseDatabase(get: Get, dataDirectory: string): DatabaseConfig {
  const url = get('DATABASE_URL');
  const passwordFile = parseFile('DATABASE_PASSWORD_FILE', get);
  const poolSize = parseInteger('DATABASE_POOL_SIZE', get('DATABASE_POOL_SIZE') ?? '10', 1);
  if (url === undefined) return { kind: 'sqlite', path: join(dataDirectory, 'keelson.db') };
  // Not shown: it may hold a password.
  if (!URL.canParse(url) || !/^postgres(ql)?:$/.test(new URL(url).protocol))
    throw new Error('DATABASE_URL: not a postgresql:// URL.');
  if (passwordFile !== undefined && new URL(url).password !== '')
    throw new Error('DATABASE_URL and DATABASE_PASSWORD_FILE: only one may hold a password.');
  return {
    kind: 'postgres',
    url,
    ...(passwordFile === undefined
      ? {}
      : { password: readFileSync(passwordFile, 'utf8').replace(/\r?\n$/, '') }),
    poolSize,
  };
}

function parseTls(get: Get): TLSConfig | undefined {
  const ca = parseFile('TEMPORAL_TLS_CA_FILE', get);
  const certificate = parseFile('TEMPORAL_TLS_CERT_FILE', get);
  const key = parseFile('TEMPORAL_TLS_KEY_FILE', get);
  if ((certificate === undefined) !== (key === undefined))
    throw new Error('TEMPORAL_TLS_CERT_FILE and TEMPORAL_TLS_KEY_FILE go together.');
  if (ca === undefined && certificate === undefined) return undefined;
  if (get('TEMPORAL_ADDRESS') === undefined)
    throw new Error('TEMPORAL_ADDRESS: the dev server knows no TLS; name the service that does.');
  return {
    ...(ca === undefined ? {} : { serverRootCACertificate: readFileSync(ca) }),
    ...(certificate === undefined || key === undefined
      ? {}
      : { clientCertPair: { crt: readFileSync(certificate), key: readFileSync(key) } }),
  };
}

function parseApi(get: Get): ApiConfig {
  const listen = parseAddress('API_LISTEN', get('API_LISTEN') ?? '127.0.0.1:8080');
  const jobListen = get('JOB_LISTEN');
  const auth = parseAuth(get);
  if (auth.kind === 'loopback' && !isLoopback(listen)) {
    throw new Error(
      `API_LISTEN: ${listen.host} is not a loopback address. Set AUTH_TOKENS_FILE, or AUTH=none if everybody who reaches it may use it.`,
    );
  }
  return {
    listen,
    ...(jobListen === undefined ? {} : { jobListen: parseAddress('JOB_LISTEN', jobListen) }),
    ...optional('publicUrl', parseUrl('PUBLIC_URL', get('PUBLIC_URL'))),
    ...optional('jobUrl', parseUrl('JOB_API_URL', get('JOB_API_URL'))),
    auth,
    maxBodyBytes: parseInteger('MAX_BODY_BYTES', get('MAX_BODY_BYTES') ?? '16777216', 1),
    maxListBytes: parseInteger('MAX_LIST_BYTES', get('MAX_LIST_BYTES') ?? '268435456', 1),
  };
}

function parseAuth(get: Get): ApiConfig['auth'] {
  const file = parseFile('AUTH_TOKENS_FILE', get);
  const auth = get('AUTH');
  if (auth !== undefined && auth !== 'none')
    throw new Error(`AUTH: "${auth}" is not known; the one value is "none".`);
  if (file !== undefined && auth !== undefined)
    throw new Error('AUTH and AUTH_TOKENS_FILE exclude each other.');
  if (file !== undefined) return { kind: 'tokens', file };
  return auth === 'none' ? { kind: 'none' } : { kind: 'loopback' };
}

function parseRunner(get: Get, environment: Environment, dataDirectory: string): RunnerConfig {
  return {
    ...parseKind(get('RUNNER') ?? 'local', get),
    jobsDirectory: join(dataDirectory, 'jobs'),
    jobRetentionSeconds: parseInteger('JOB_RETENTION', get('JOB_RETENTION') ?? '3600', 0),
    python: get('PYTHON') ?? findPython(environment),
    ansiblePlaybook:
      get('ANSIBLE_PLAYBOOK') ?? inCache(environment, 'ansible/bin/ansible-playbook'),
    ...optional('ansibleConfigDirectory', get('ANSIBLE_CONFIG_DIRECTORY')),
    ...optional('sshPrivateKeyFile', parseFile('SSH_PRIVATE_KEY_FILE', get)),
    ...optional('sshPublicKeyFile', parseFile('SSH_PUBLIC_KEY_FILE', get)),
    ...optional('sshCertificateFile', parseFile('SSH_CERTIFICATE_FILE', get)),
    maxWatchedJobs: parseInteger('MAX_WATCHED_JOBS', get('MAX_WATCHED_JOBS') ?? '200', 1),
  };
}

function parseKind(kind: string, get: Get): Pick<RunnerConfig, 'kind' | 'kubernetes'> {
  if (kind === 'local' || kind === 'none') return { kind };
  if (kind === 'kubernetes') return { kind, kubernetes: parseKubernetes(get) };
  throw new Error(`RUNNER: "${kind}" is not local, kubernetes or none.`);
}

function parseKubernetes(get: Get): KubernetesConfig {
  const file = parseFile('KUBERNETES_SETTINGS_FILE', get);
  if (file === undefined)
    throw new Error('KUBERNETES_SETTINGS_FILE: RUNNER=kubernetes needs it, for the image of jobs.');
  return {
    settings: parseSettings(file),
    ...optional('namespace', get('KUBERNETES_NAMESPACE')),
    ...optional('kubeconfigFile', parseFile('KUBECONFIG', get)),
    jobTtlSeconds: parseInteger('KUBERNETES_JOB_TTL', get('KUBERNETES_JOB_TTL') ?? '3600', 0),
  };
}

function parseSettings(file: string): PodSettings {
  try {
    return parsePodSettings(readFileSync(file, 'utf8'));
  } catch (cause) {
    const { message } = cause as Error;
    throw new Error(`KUBERNETES_SETTINGS_FILE: ${file}: ${message}`, { cause });
  }
}

function parseMetrics(get: Get): MetricsConfig {
  const read = (name: Variable) => {
    const text = get(name);
    return text === undefined ? undefined : parseAddress(name, text);
  };
  const temporal = read('TEMPORAL_METRICS_LISTEN');
  if (temporal !== undefined && isIP(temporal.host) === 0)
    throw new Error(
      `TEMPORAL_METRICS_LISTEN: "${temporal.host}" is not an IP address, which Temporal's SDK needs.`,
    );
  return {
    ...optional('api', read('METRICS_LISTEN')),
    ...optional('worker', read('WORKER_METRICS_LISTEN')),
    ...optional('temporal', temporal),
  };
}

function parseImageService(get: Get, dataDirectory: string): ImageServiceConfig {
  const listen = get('IMAGE_SERVICE_LISTEN');
  const address = listen === undefined ? undefined : parseAddress('IMAGE_SERVICE_LISTEN', listen);
  const tokenFile = parseFile('IMAGE_SERVICE_TOKEN_FILE', get);
  if (address !== undefined && !isLoopback(address) && tokenFile === undefined)
    throw new Error(
      `IMAGE_SERVICE_LISTEN: ${address.host} is not a loopback address. Set IMAGE_SERVICE_TOKEN_FILE: who may use the service may be root on this machine.`,
    );
  const sshAddress = get('IMAGE_SSH_ADDRESS') ?? '127.0.0.1';
  // It is told to clients, so it must lead somewhere.
  if (isIP(sshAddress) === 0 || ['0.0.0.0', '::'].includes(sshAddress))
    throw new Error(`IMAGE_SSH_ADDRESS: "${sshAddress}" is not the IP address of an interface.`);
  const dkms = get('JOB_ENABLE_DKMS') ?? 'true';
  if (!/^(?:true|false)$/i.test(dkms))
    throw new Error(`JOB_ENABLE_DKMS: "${dkms}" is not true or false.`);
  const maxJobAgeSeconds = parseInteger(
    'IMAGE_JOB_MAX_AGE',
    get('IMAGE_JOB_MAX_AGE') ?? '604800',
    0,
  );
  if (maxJobAgeSeconds > MAX_TIMER_SECONDS)
    throw new Error(`IMAGE_JOB_MAX_AGE: ${maxJobAgeSeconds} is more than ${MAX_TIMER_SECONDS}.`);
  return {
    directory: get('IMAGE_SERVICE_DIRECTORY') ?? join(dataDirectory, 'image-service'),
    ...optional('listen', address),
    ...optional('tokenFile', tokenFile),
    sshAddress,
    maxJobAgeSeconds,
    enableDkms: dkms.toLowerCase() === 'true',
  };
}

function parseSources(get: Get): SourceConfig {
  return {
    gitProtocols: get('GIT_ALLOW_PROTOCOL') ?? 'https:ssh',
    ...optional('gitCredentialsFile', parseFile('GIT_CREDENTIALS_FILE', get)),
    ...optional('gitCaFile', parseFile('GIT_CA_FILE', get)),
    ...optional('gitSshKeyFile', parseFile('GIT_SSH_KEY_FILE', get)),
    ...optional('gitKnownHostsFile', parseFile('GIT_KNOWN_HOSTS_FILE', get)),
    hsmUrl: parseUrl('HSM_URL', get('HSM_URL')) ?? 'http://cray-smd/hsm/v2',
    ...optional('hsmTokenFile', parseFile('HSM_TOKEN_FILE', get)),
    ...optional('hsmCaFile', parseFile('HSM_CA_FILE', get)),
    ...optional('inventoryFile', parseFile('INVENTORY_FILE', get)),
    ...optional('imsUrl', parseUrl('IMS_URL', get('IMS_URL'))),
    ...optional('imsTokenFile', parseFile('IMS_TOKEN_FILE', get)),
    ...optional('imsCaFile', parseFile('IMS_CA_FILE', get)),
    ...optional('vault', parseVault(get)),
    ...optional('sourceCaDirectory', parseFile('SOURCE_CA_DIRECTORY', get)),
    ...optional('tapmsUrl', parseUrl('TAPMS_URL', get('TAPMS_URL'))),
  };
}

function parseVault(get: Get): VaultConfig | undefined {
  const url = parseUrl('VAULT_ADDR', get('VAULT_ADDR'));
  if (url === undefined) return undefined;
  return {
    url,
    ...optional('tokenFile', parseFile('VAULT_TOKEN_FILE', get)),
    ...optional('jwtFile', parseFile('VAULT_JWT_FILE', get)),
    ...optional('role', get('VAULT_ROLE')),
    ...optional('caFile', parseFile('VAULT_CA_FILE', get)),
  };
}

function parseAddress(name: Variable, text: string): Address {
  const match = /^(?:\[(?<six>[^\]]+)\]|(?<host>[^:]+)):(?<port>\d+)$/.exec(text);
  const port = Number(match?.groups?.['port']);
  if (match?.groups === undefined || port > 65535)
    throw new Error(`${name}: "${text}" is not host:port.`);
  return { host: match.groups['six'] ?? match.groups['host'] ?? '', port };
}

function parseInteger(name: Variable, text: string, minimum: number): number {
  const value = Number(text);
  if (!/^\d+$/.test(text) || value < minimum || !Number.isSafeInteger(value)) {
    throw new Error(`${name}: "${text}" is not a whole number of at least ${minimum}.`);
  }
  return value;
}

function parsePort(name: Variable, text: string): number {
  const port = parseInteger(name, text, 0);
  if (port > 65535) throw new Error(`${name}: "${text}" is not a port.`);
  return port;
}

/** Without a slash at its end. */
function parseUrl(name: Variable, text: string | undefined): string | undefined {
  if (text === undefined) return undefined;
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (url?.protocol !== 'http:' && url?.protocol !== 'https:')
    throw new Error(`${name}: "${text}" is not an http or https URL.`);
  if (url.username !== '' || url.password !== '')
    throw new Error(`${name}: a URL is shown to people and must not hold a user name or password.`);
  return text.replace(/\/+$/, '');
}

function parseFile(name: Variable, get: Get): string | undefined {
  const path = get(name);
  if (path !== undefined && !existsSync(path))
    throw new Error(`${name}: there is no file ${path}.`);
  return path;
}

function parseLogLevel(text: string | undefined): string | undefined {
  if (text !== undefined && !['debug', 'info', 'warn', 'error'].includes(text)) {
    throw new Error(`LOG_LEVEL: "${text}" is not debug, info, warn or error.`);
  }
  return text;
}

function inCache(environment: Environment, path: string): string {
  const read = (name: string) => (environment[name] === '' ? undefined : environment[name]);
  const cache = read('XDG_CACHE_HOME') ?? join(homedir(), '.cache');
  return join(read('KEELSON_CACHE') ?? join(cache, 'keelson'), path);
}

/** The interpreter that the set-up found fit, where it has run. */
function findPython(environment: Environment): string {
  const python = inCache(environment, 'ansible/bin/python3');
  return existsSync(python) ? python : 'python3';
}

function findOnPath(program: string, environment: Environment): string | undefined {
  return (environment['PATH'] ?? '')
    .split(delimiter)
    .map((directory) => join(directory, program))
    .find((path) => existsSync(path));
}

function optional<K extends string, V>(key: K, value: V | undefined): { readonly [P in K]?: V } {
  return (value === undefined ? {} : { [key]: value }) as { readonly [P in K]?: V };
}

export function readVersion(): string {
  const text = readFileSync(new URL('../package.json', import.meta.url), 'utf8');
  return (JSON.parse(text) as { version: string }).version;
}
