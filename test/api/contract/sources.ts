import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { createGitClient } from '../../../src/clients/git.js';
import { createTenantClient } from '../../../src/clients/tapms.js';
import { createVaultClient } from '../../../src/clients/vault.js';
import { createOpenSource } from '../../../src/process/source-access.js';
import { startGitHttpServer, type GitHttpServer } from '../../clients/git-http-server.js';
import { openHttpService, type HttpService } from '../http-service.js';
import { MASTER_KEY } from '../service.js';
import type { ContractSite } from './site.js';

const tlsDirectory = fileURLToPath(new URL('../../fixtures/tls/', import.meta.url));
const read = (name: string) => readFileSync(`${tlsDirectory}${name}`, 'utf8');
const credentials = { username: 'cfs:us/er', password: 'p@ss word%' };
const ca_cert = { configmap_name: 'loopback.crt' };

export function sourceContract(site: () => ContractSite): void {
  let git: GitHttpServer;
  let services: StandIn;
  let api: HttpService;
  let url: string;
  let directory: string;
  beforeAll(async () => {
    const path = fileURLToPath(site().repository.url);
    git = await startGitHttpServer({
      root: dirname(path),
      credentials: `${credentials.username}:${credentials.password}`,
      tls: { key: read('loopback.key'), cert: read('loopback.crt') },
    });
    url = `${git.url}${path.slice(dirname(path).length)}`;
    services = await startStandIn();
    directory = mkdtempSync(join(tmpdir(), 'keelson-sources-'));
    writeFileSync(join(directory, 'token'), 's.token\n');
    const { store } = site();
    api = await openHttpService({
      store,
      git: createGitClient({ protocols: 'https' }),
      openSource: createOpenSource({
        store: store.sources,
        masterKey: MASTER_KEY,
        caDirectory: tlsDirectory,
        vault: createVaultClient({ url: services.url, tokenFile: join(directory, 'token') }),
      }),
      tenants: createTenantClient({ url: services.url }),
    });
  });
  afterAll(async () => {
    await api.close();
    await git.close();
    await services.close();
    rmSync(directory, { recursive: true });
  });

  describe('sources', () => {
    test('are created once, found by a name encoded twice, changed and deleted', async () => {
      const body = { clone_url: url, credentials, description: 'first' };
      const created = await api.ask('POST', '/v3/sources', body);
      expect(created.status).toBe(201);
      expect(created.body).toEqual({
        name: url,
        description: 'first',
        clone_url: url,
        last_updated: expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/),
        credentials: {
          authentication_method: 'password',
          secret_name: expect.stringMatching(/^cfs-source-credentials-/),
        },
      });
      expect(await api.ask('POST', '/v3/sources', body)).toMatchObject({
        status: 409,
        body: {
          title: 'Conflicting source name',
          detail: `A source with the name ${url} already exists`,
        },
      });
      const path = `/v3/sources/${encodeURIComponent(encodeURIComponent(url))}`;
      expect((await api.ask('GET', path)).body).toEqual(created.body);
      const changed = await api.ask('PATCH', path, { description: 'second', ca_cert });
      expect(changed).toMatchObject({ status: 200, body: { description: 'second', ca_cert } });
      for (const given of [{ configmap_namespace: 'ns', ...ca_cert }, { configmap_name: 'other' }])
        await api.ask('PATCH', path, { ca_cert: given });
      expect((await api.ask('GET', path)).body).toMatchObject({
        ca_cert: { configmap_name: 'other', configmap_namespace: 'ns' },
      });
      const without = await api.ask('PATCH', path, { ca_cert: null, credentials: {} });
      expect(without.body).not.toHaveProperty('ca_cert');
      for (const part of [{ authentication_method: 'password' }, { username: 'u' }])
        expect(await api.ask('PATCH', path, { credentials: part })).toMatchObject({
          status: 400,
          body: { title: 'Invalid credentials' },
        });
      expect((await api.ask('DELETE', path)).status).toBe(204);
      for (const [method, title] of [
        ['GET', 'Source not found'],
        ['DELETE', 'Source not found'],
        ['PATCH', 'Source not found.'],
      ] as const) {
        const answer = await api.ask(method, path, method === 'PATCH' ? {} : undefined);
        const detail = `Source ${url} could not be found`;
        expect(answer).toMatchObject({ status: 404, body: { title, detail } });
      }
    });

    test('open their repository by their own credentials and certificate authority', async () => {
      const commit = site().repository.addCommit({ files: { 'source.yml': '[]\n' } });
      await api.ask('POST', '/v3/sources', { name: 'own', clone_url: url, credentials, ca_cert });
      const layer = { source: 'own', branch: 'main', playbook: 'site.yml' };
      const answer = await api.ask('PUT', '/v3/configurations/of-source', { layers: [layer] });
      expect(answer).toMatchObject({
        status: 200,
        body: { layers: [{ ...layer, commit }] },
      });

      await api.ask('PATCH', '/v3/sources/own', { credentials: { username: 'x', password: 'y' } });
      const refused = await api.ask('PATCH', '/v3/configurations/of-source');
      expect(refused).toMatchObject({
        status: 400,
        body: { title: 'Error converting branch name to commit' },
      });
      await api.ask('PATCH', '/v3/sources/own', { credentials });
      expect((await api.ask('PATCH', '/v3/configurations/of-source')).status).toBe(200);
    });

    test('keep their credentials to the server for which they were given', async () => {
      await api.ask('POST', '/v3/sources', { name: 'kept', clone_url: url, credentials });
      const move = (clone_url: string, more = {}) =>
        api.ask('PATCH', '/v3/sources/kept', { clone_url, ...more });
      const elsewhere = 'https://git.example.org/a.git';
      const refusal = { status: 400, body: { title: 'Invalid credentials' } };
      expect(await move(elsewhere)).toMatchObject(refusal);
      expect(await move(url.replace(/:[0-9]+/, ':1'))).toMatchObject(refusal);
      expect(await move('ssh://git@git.example.org/a.git')).toMatchObject({ status: 200 });
      expect(await move(elsewhere)).toMatchObject(refusal);
      expect(await move(elsewhere, { credentials })).toMatchObject({ status: 200 });
      expect(await move('https://GIT.example.org/b.git')).toMatchObject({ status: 200 });
    });

    test('have their credentials in no answer, and encrypted in the database', async () => {
      await api.ask('POST', '/v3/sources', { name: 'secret', clone_url: url, credentials });
      const stored = await api.store.sources.find('secret');
      const page = await api.ask('GET', '/v3/sources');
      for (const text of [JSON.stringify(stored), JSON.stringify(page.body)]) {
        expect(text).not.toContain(credentials.password);
        expect(text).not.toContain(Buffer.from(credentials.password).toString('base64'));
      }
      const moved = { ...stored, source: { ...stored?.source, name: 'other' } };
      const openSource = createOpenSource({
        store: { find: () => Promise.resolve(moved as Exclude<typeof stored, undefined>) },
        masterKey: MASTER_KEY,
      });
      await expect(openSource('other', new AbortController().signal)).rejects.toMatchObject({
        fault: 'rejected',
        message: expect.stringContaining('source other do not open'),
      });
    });

    test('that were restored are read from Vault when they are needed', async () => {
      const body = {
        clone_url: url,
        ca_cert,
        credentials: { authentication_method: 'password', secret_name: 'kept' },
      };
      expect(await api.ask('POST', '/v3/sources/restored', body)).toMatchObject({
        status: 201,
        body: { name: 'restored', credentials: { secret_name: 'kept' } },
      });
      expect((await api.ask('POST', '/v3/sources/restored', body)).status).toBe(409);
      expect(services.asked).toEqual([]);
      const layers = [{ source: 'restored', branch: 'main', playbook: 'a' }];
      const put = await api.ask('PUT', '/v3/configurations/of-vault', { layers });
      expect(put.status).toBe(200);
      expect(services.asked).toEqual(['/v1/secret/data/kept']);
    });

    test('in use cannot be deleted, and can be listed', async () => {
      const add = (name: string) =>
        api.ask('POST', '/v3/sources', { name, clone_url: url, credentials });
      for (const name of ['use-a', 'use-b', 'use-c', 'use-d']) await add(name);
      const commit = '1'.repeat(40);
      await api.ask('PUT', '/v3/configurations/users', {
        layers: [{ source: 'use-a', playbook: 'a', commit }],
        additional_inventory: { source: 'use-b', commit },
      });
      await api.ask('PATCH', '/v3/options', { additional_inventory_source: 'use-c' });
      for (const name of ['use-a', 'use-b', 'use-c']) {
        expect(await api.ask('DELETE', `/v3/sources/${name}`)).toMatchObject({
          status: 400,
          body: { title: 'Source is in use.' },
        });
      }
      const names = async (query: string) => {
        const { body } = await api.ask('GET', `/v3/sources?after_id=use&${query}`);
        return (body as { sources: { name: string }[] }).sources.map(({ name }) => name);
      };
      expect(await names('in_use=true')).toEqual(['use-a', 'use-b', 'use-c']);
      expect(await names('in_use=false')).toEqual(['use-d']);
      expect((await api.ask('GET', '/v3/sources?limit=2&in_use=true&after_id=use')).body).toEqual({
        sources: [expect.anything(), expect.anything()],
        next: { in_use: true, limit: 2, after_id: 'use-b' },
      });
      await api.ask('PATCH', '/v3/options', { additional_inventory_source: '' });
      await api.ask('PUT', '/v3/configurations/users', { layers: [] });
      for (const name of ['use-a', 'use-b', 'use-c'])
        expect((await api.ask('DELETE', `/v3/sources/${name}`)).status).toBe(204);
    });

    test('give their URL to the components of their layers, also after it has changed', async () => {
      await api.ask('POST', '/v3/sources', { name: 'moved', clone_url: url, credentials });
      const layers = [{ source: 'moved', playbook: 'a', commit: '1'.repeat(40) }];
      await api.ask('PUT', '/v3/configurations/moving-source', { layers });
      await api.ask('PUT', '/v3/components/x9', { state: [], desired_config: 'moving-source' });
      const urls = async () => {
        const { body } = await api.ask('GET', '/v3/components/x9?config_details=true');
        return (body as { desired_state: { clone_url: string }[] }).desired_state;
      };
      expect(await urls()).toMatchObject([{ clone_url: url }]);
      await api.ask('PATCH', '/v3/sources/moved', { clone_url: `${url}.moved` });
      expect(await urls()).toMatchObject([{ clone_url: `${url}.moved` }]);
    });
  });

  describe('in_use of configurations', () => {
    test('is whether a component is to have it, and keeps it from being deleted', async () => {
      for (const name of ['used-1', 'used-2'])
        await api.ask('PUT', `/v3/configurations/${name}`, { layers: [] });
      await api.ask('PUT', '/v3/components/x1', { state: [], desired_config: 'used-1' });
      const used = await api.ask('GET', '/v3/configurations?in_use=true&after_id=used');
      expect(used.body).toMatchObject({ configurations: [{ name: 'used-1' }], next: null });
      const unused = await api.ask('GET', '/v3/configurations?in_use=false&limit=1&after_id=used');
      expect(unused.body).toMatchObject({ configurations: [{ name: 'used-2' }] });
      const v2 = await api.ask('GET', '/v2/configurations?in_use=true');
      expect(v2.body).toContainEqual(expect.objectContaining({ name: 'used-1' }));
      for (const version of ['v2', 'v3']) {
        expect(await api.ask('DELETE', `/${version}/configurations/used-1`)).toMatchObject({
          status: 400,
          body: { title: 'Configuration is in use.' },
        });
      }
      await api.ask('DELETE', '/v3/components/x1');
      expect((await api.ask('DELETE', '/v3/configurations/used-1')).status).toBe(204);
    });
  });

  describe('tenants', () => {
    const blue = { 'cray-tenant-name': 'blue' };
    const red = { 'cray-tenant-name': 'red' };
    const path = '/v3/configurations/tenant-blue';

    test('see and change their own configurations only', async () => {
      const put = await api.ask('PUT', path, { layers: [] }, blue);
      expect(put).toMatchObject({ status: 200, body: { tenant_name: 'blue' } });
      await api.ask('PUT', '/v3/configurations/tenant-none', { layers: [] });
      const list = await api.ask('GET', '/v3/configurations', undefined, blue);
      expect(list.body).toMatchObject({ configurations: [{ name: 'tenant-blue' }], next: null });
      for (const method of ['GET', 'PATCH', 'DELETE', 'PUT']) {
        const body = method === 'PUT' ? { layers: [] } : undefined;
        for (const [target, tenant] of [
          [path, red],
          ['/v3/configurations/tenant-none', red],
        ] as const) {
          expect(await api.ask(method, target, body, tenant)).toMatchObject({
            status: 403,
            body: { title: 'Forbidden operation.' },
          });
        }
      }
      for (const method of ['GET', 'PATCH']) {
        expect((await api.ask(method, path, undefined, blue)).status).toBe(200);
      }
      const missing = await api.ask('GET', `${path}-not`, undefined, blue);
      expect(missing.status).toBe(404);
      const foreign = await api.ask('PUT', path, { layers: [], tenant_name: 'red' }, blue);
      expect(foreign).toMatchObject({ status: 403 });
    });

    test('lose a configuration to an administrator, but not to v2, which has no tenants', async () => {
      await api.ask('PUT', path, { layers: [] }, blue);
      await api.ask('PUT', '/v2/configurations/tenant-blue', { layers: [], description: 'v2' });
      const kept = await api.ask('GET', path, undefined, blue);
      expect(kept).toMatchObject({ status: 200, body: { description: 'v2', tenant_name: 'blue' } });
      await api.ask('PUT', path, { layers: [] });
      expect((await api.ask('GET', path, undefined, blue)).status).toBe(403);
    });

    test('see only their own among those in use, page by page', async () => {
      for (const [name, tenant] of [
        ...[
          ['tenant-in-1', blue],
          ['tenant-in-2', red],
          ['tenant-in-3', blue],
        ],
      ] as const) {
        await api.ask('PUT', `/v3/configurations/${name}`, { layers: [] }, tenant);
        await api.ask('PUT', `/v3/components/${name}`, { desired_config: name });
      }
      const list = async (query: string) => {
        const path = `/v3/configurations?after_id=tenant-in&${query}`;
        const { configurations, next } = (await api.ask('GET', path, undefined, blue)).body as {
          configurations: { name: string }[];
          next: unknown;
        };
        return [configurations.map(({ name }) => name).join(' '), next];
      };
      expect(await list('in_use=true')).toEqual(['tenant-in-1 tenant-in-3', null]);
      expect(await list('in_use=false')).toEqual(['', null]);
      const next = { in_use: true, limit: 1, after_id: 'tenant-in-1' };
      expect(await list('in_use=true&limit=1')).toEqual(['tenant-in-1', next]);
    });

    test('change nothing while the tenant service is away, and are looked up again when it is back', async () => {
      const away = { 'cray-tenant-name': 'away' };
      for (const method of ['GET', 'PATCH', 'DELETE', 'PUT']) {
        const body = method === 'PUT' ? { layers: [] } : undefined;
        expect(await api.ask(method, path, body, away)).toMatchObject({ status: 503 });
      }
      expect(services.tenants.filter((name) => name === 'away')).toHaveLength(4);
    });

    test('with a name that no tenant can have are refused without a look', async () => {
      const before = services.tenants.length;
      for (const name of ['..', 'blue/..', 'blue, blue', 'a'.repeat(128)]) {
        const answer = await api.ask('GET', path, undefined, { 'cray-tenant-name': name });
        expect([name, answer.status]).toEqual([name, 400]);
      }
      expect(services.tenants).toHaveLength(before);
    });

    test('that the tenant service does not know are refused, and looked up once', async () => {
      const green = { 'cray-tenant-name': 'green' };
      for (const method of ['GET', 'PATCH', 'DELETE', 'PUT']) {
        const body = method === 'PUT' ? { layers: [] } : undefined;
        const answer = await api.ask(method, path, body, green);
        expect(answer).toMatchObject({ status: 400, body: { title: 'Invalid tenant' } });
      }
      expect(services.tenants.filter((name) => name === 'green')).toHaveLength(1);
    });
  });
}

interface StandIn {
  readonly url: string;
  /** Paths of requests to Vault. */
  readonly asked: readonly string[];
  readonly tenants: readonly string[];
  close(): Promise<void>;
}

/** The parts of Vault and of the tenant service that tests use, with two tenants, red and blue. It is away for a third. */
async function startStandIn(): Promise<StandIn> {
  const asked: string[] = [];
  const tenants: string[] = [];
  const server = createServer((request, response) => {
    const { url = '', headers } = request;
    const tenant = /^\/tenants\/(.*)$/.exec(url)?.[1];
    if (tenant !== undefined) {
      tenants.push(tenant);
      const status = tenant === 'away' ? 500 : 404;
      response.writeHead(['red', 'blue'].includes(tenant) ? 200 : status).end('{}');
      return;
    }
    asked.push(url);
    const isKnown = url === '/v1/secret/data/kept' && headers.authorization === 'Bearer s.token';
    response.writeHead(isKnown ? 200 : 403, { 'content-type': 'application/json' });
    response.end(JSON.stringify(isKnown ? { data: { data: credentials } } : { errors: [] }));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    asked,
    tenants,
    close: () => new Promise((resolve) => server.close(() => resolve())),
  };
}
