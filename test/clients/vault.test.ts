import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { once } from 'node:events';
import { createServer, type IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { json } from 'node:stream/consumers';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { createVaultClient, type VaultOptions } from '../../src/clients/vault.js';

const never = new AbortController().signal;
const credentials = { username: 'crayvcs', password: 'planted-password' };

describe('Vault', () => {
  let vault: VaultStandIn;
  let directory: string;
  let jwtFile: string;
  beforeEach(async () => {
    vault = await startVault();
    directory = mkdtempSync(join(tmpdir(), 'keelson-vault-'));
    jwtFile = join(directory, 'token');
    writeFileSync(jwtFile, 'planted-jwt\n');
    writeFileSync(join(directory, 'namespace'), 'services');
  });
  afterEach(async () => {
    await vault.close();
    rmSync(directory, { recursive: true });
  });

  const read = (options: Partial<VaultOptions> = {}, name = 'kept') =>
    createVaultClient({ url: vault.url, jwtFile, ...options }).readCredentials(name, never);

  test('is logged in to with a Kubernetes token, as the role named like the namespace beside it', async () => {
    expect(await read()).toEqual(credentials);
    expect(vault.logins).toEqual([{ role: 'services', jwt: 'planted-jwt' }]);
  });

  test('is logged in to as the configured role, each time with the present token', async () => {
    vault.roles = { keelson: ['planted-jwt', 'rotated-jwt'] };
    const client = createVaultClient({ url: vault.url, jwtFile, role: 'keelson' });
    expect(await client.readCredentials('kept', never)).toEqual(credentials);
    writeFileSync(jwtFile, 'rotated-jwt');
    expect(await client.readCredentials('kept', never)).toEqual(credentials);
    expect(vault.logins.map(({ jwt }) => jwt)).toEqual(['planted-jwt', 'rotated-jwt']);
  });

  test('is not logged in to if there is a Vault token', async () => {
    const tokenFile = join(directory, 'own');
    writeFileSync(tokenFile, 's.given\n');
    vault.tokens.add('s.given');
    expect(await read({ tokenFile })).toEqual(credentials);
    expect(vault.logins).toEqual([]);
  });

  test.each(['', 's.half\nwritten'])(
    'waits for a token that is being replaced: %j',
    async (text) => {
      const tokenFile = join(directory, 'own');
      writeFileSync(tokenFile, text);
      await expect(read({ tokenFile })).rejects.toMatchObject({
        fault: 'unavailable',
        message: `VAULT_TOKEN_FILE: ${tokenFile} does not contain a token.`,
      });
    },
  );

  test.each<[string, () => Promise<unknown>, string, string]>([
    ['a role that it does not know', () => read({ role: 'none' }), 'rejected', 'status 400'],
    ['a secret that is not there', () => read({}, 'none'), 'rejected', 'has no secret none,'],
    ['a secret that is deleted', () => read({}, 'past'), 'rejected', 'latest version is deleted'],
    ['a store that is not there', () => read({}, 'lost'), 'rejected', '(no handler for route'],
    ['a gateway in its place', () => read({}, 'gone'), 'rejected', 'status 404 and no JSON'],
    ['a gateway with JSON', () => read({}, 'route'), 'rejected', 'status 404 (no such route)'],
    ['a secret of something else', () => read({}, 'other'), 'rejected', 'no username and password'],
    ['a login that gives no token', () => read({ role: 'empty' }), 'rejected', 'without a token'],
    ['a Vault that is sealed', () => read({ role: 'sealed' }), 'unavailable', 'status 503'],
    ['a token that cannot be read', () => read({ jwtFile: '/no/token' }), 'unavailable', '/no/'],
  ])('says so of %s, and names no secret', async (_, act, fault, words) => {
    const error = await act().catch((each: unknown) => each as Error);
    expect(error).toMatchObject({ fault, reason: 'GIT_CLONE' });
    const { message } = error as Error;
    expect(message).toContain(words);
    expect(message).not.toMatch(/planted|s\.\d/);
  });
});

interface VaultStandIn {
  readonly url: string;
  readonly logins: readonly Login[];
  /** Valid tokens. */
  readonly tokens: Set<string>;
  /** Kubernetes tokens that each role accepts. */
  roles: Readonly<Record<string, readonly string[]>>;
  close(): Promise<void>;
}

interface Login {
  readonly role: string;
  readonly jwt: string;
}

/** The parts of Vault that tests use: the Kubernetes login, and the KV store `secret`, version 2. */
async function startVault(): Promise<VaultStandIn> {
  const logins: Login[] = [];
  const secrets: Record<string, object> = { kept: credentials, other: { value: 'a' } };
  const answer = async (request: IncomingMessage): Promise<[number, object | string]> => {
    const { url = '', method } = request;
    if (method === 'POST' && url === '/v1/auth/kubernetes/login') {
      const login = (await json(request)) as Login;
      logins.push(login);
      if (login.role === 'sealed') return [503, { errors: ['Vault is sealed'] }];
      if (login.role === 'empty') return [200, { auth: null }];
      const isTaken = vault.roles[login.role]?.includes(login.jwt) === true;
      if (!isTaken) return [400, { errors: [`invalid role name "${login.role}"`] }];
      const client_token = `s.${logins.length}`;
      vault.tokens.add(client_token);
      return [200, { auth: { client_token, lease_duration: 60 } }];
    }
    const [, token = ''] = /^Bearer (.*)$/.exec(request.headers.authorization ?? '') ?? [];
    if (!vault.tokens.has(token)) return [403, { errors: ['permission denied'] }];
    if (url.endsWith('/past')) return [404, { data: { data: null, metadata: { version: 1 } } }];
    if (url.endsWith('/lost')) return [404, { errors: ['no handler for route "secret/data"'] }];
    if (url.endsWith('/gone')) return [404, '404 page not found'];
    if (url.endsWith('/route')) return [404, { message: 'no such route' }];
    const data = secrets[/^\/v1\/secret\/data\/(.*)$/.exec(url)?.[1] ?? ''];
    return data === undefined ? [404, { errors: [] }] : [200, { data: { data, metadata: {} } }];
  };
  const server = createServer((request, response) => {
    void answer(request).then(([status, body]) => {
      const text = typeof body === 'string' ? body : JSON.stringify(body);
      response.writeHead(status, { 'content-type': 'application/json' }).end(text);
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const vault: VaultStandIn = {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    ...{ logins, tokens: new Set<string>(), roles: { services: ['planted-jwt'] } },
    async close() {
      const closed = once(server, 'close');
      server.close();
      await closed;
    },
  };
  return vault;
}
