import { readFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { ServiceError } from '../core/errors.js';
import type { SourceCredentials } from '../core/source.js';
import { exchangeJson, readMember, toRefusal, type JsonAnswer, type JsonRequest } from './http.js';
import { readToken as readSettingToken } from './settings.js';

const TIMEOUT_SECONDS = 10;
const MAX_BYTES = 64 * 1024;
const POD_TOKEN = '/var/run/secrets/kubernetes.io/serviceaccount/token';

export interface VaultOptions {
  readonly url: string;
  readonly caFile?: string;
  /** Absent: logs in with a Kubernetes token. */
  readonly tokenFile?: string;
  /** File with the token of a service account. Absent: the pod's own token. */
  readonly jwtFile?: string;
  /** Role of that login. Absent: the namespace in the file beside that token. */
  readonly role?: string;
}

export interface VaultClient {
  /** Reads a secret from the KV store (version 2) mounted at `secret`. */
  readCredentials(secretName: string, signal: AbortSignal): Promise<SourceCredentials>;
  /** Exchanges the token of a service account for a Vault token with the rights of the role. */
  logIn(login: KubernetesLogin, signal: AbortSignal): Promise<string>;
}

export interface KubernetesLogin {
  readonly role: string;
  readonly jwt: string;
}

/** Logs in for each secret: reads are rare, and a fresh token cannot have expired. */
export function createVaultClient(config: VaultOptions): VaultClient {
  return {
    async readCredentials(secretName, signal) {
      const shared = await toRequest(config);
      const token = await readToken(config, shared, signal);
      const path = `/v1/secret/data/${encodeURIComponent(secretName)}`;
      const request: JsonRequest = {
        ...{ ...shared, url: `${config.url}${path}`, token },
        ...{ alsoAccepted: [404], foreign: 'rejected' },
      };
      const answer = await exchangeJson(request, signal);
      if (answer.status === 404)
        throw isAbsent(answer) ? absent(config.url, secretName) : toRefusal(request, answer);
      const { body } = answer;
      const data = readMember(body, 'data', 'data');
      const [username, password] = [readMember(data, 'username'), readMember(data, 'password')];
      if (typeof username === 'string' && typeof password === 'string')
        return { username, password };
      throw fault(`Secret ${secretName} of Vault has no username and password.`);
    },
    async logIn(login, signal) {
      const shared = { ...(await toRequest(config)), reason: 'INTERNAL' as const };
      return logIn(config.url, shared, login, signal);
    },
  };
}

type Shared = Omit<JsonRequest, 'url'>;

async function toRequest({ caFile }: VaultOptions): Promise<Shared> {
  return {
    service: 'Vault',
    reason: 'GIT_CLONE',
    timeoutSeconds: TIMEOUT_SECONDS,
    maxBytes: MAX_BYTES,
    ...(caFile === undefined ? {} : { ca: await readText(caFile) }),
  };
}

async function readToken(
  { url, tokenFile, jwtFile = POD_TOKEN, role }: VaultOptions,
  shared: Shared,
  signal: AbortSignal,
): Promise<string> {
  // `unavailable`, because the file may be empty or half written while it is replaced.
  const setting = { variable: 'VAULT_TOKEN_FILE', path: tokenFile, reason: 'GIT_CLONE' } as const;
  const token = await readSettingToken({ ...setting, fault: 'unavailable' });
  if (token !== undefined) return token;
  const login = {
    role: role ?? (await readText(join(dirname(jwtFile), 'namespace'))),
    jwt: await readText(jwtFile),
  };
  return logIn(url, shared, login, signal);
}

async function logIn(
  url: string,
  shared: Shared,
  login: KubernetesLogin,
  signal: AbortSignal,
): Promise<string> {
  const request = { ...shared, url: `${url}/v1/auth/kubernetes/login`, body: login };
  const { body } = await exchangeJson({ ...request, method: 'POST' }, signal);
  const token = readMember(body, 'auth', 'client_token');
  if (typeof token !== 'string') throw fault(`Vault at ${url} answered a login without a token.`);
  return token;
}

/** Vault explains a 404 only if there is no store. A gateway in its place says something else. */
function isAbsent({ body }: JsonAnswer): boolean {
  const errors = readMember(body, 'errors');
  const isDeleted = readMember(body, 'data', 'metadata') !== undefined;
  return isDeleted || (Array.isArray(errors) && errors.length === 0);
}

function absent(url: string, secretName: string): ServiceError {
  return fault(`Vault at ${url} has no secret ${secretName}, or its latest version is deleted.`);
}

async function readText(file: string): Promise<string> {
  try {
    return (await readFile(file, 'utf8')).trim();
  } catch (cause) {
    throw new ServiceError('unavailable', `${file} cannot be read.`, {
      reason: 'GIT_CLONE',
      cause,
    });
  }
}

function fault(message: string): ServiceError {
  return new ServiceError('rejected', message, { reason: 'GIT_CLONE' });
}
