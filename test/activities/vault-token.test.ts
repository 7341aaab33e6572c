import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { gunzipSync } from 'node:zlib';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { KubeConfig } from '@kubernetes/client-node';
import { createTenantOpener } from '../../src/process/worker-sources.js';
import { createTokenIssuer } from '../../src/runner/account-token.js';
import type { Launch } from '../../src/runner/runner.js';
import { aRunnerWith, openActivitySite, type ActivitySite } from '../support/activity-site.js';
import { aNewSession } from '../support/store-builders.js';

interface Asked {
  readonly path: string;
  readonly body: string;
}

interface Answer {
  readonly status: number;
  readonly body: object;
}

const TENANT = '/v1alpha3/tenants/blue';
const ACCOUNT = '/api/v1/namespaces/vcluster-blue/serviceaccounts/default/token';
const LOGIN = '/v1/auth/kubernetes/login';

const granted: Readonly<Record<string, Answer>> = {
  [TENANT]: {
    status: 200,
    body: {
      spec: { tenantname: 'vcluster-blue' },
      status: { tenantkms: { transitname: 'cray-tenant-7' } },
    },
  },
  [ACCOUNT]: { status: 201, body: { status: { token: 'token-of-the-account' } } },
  [LOGIN]: { status: 200, body: { auth: { client_token: 's.of-the-tenant' } } },
};

/** Stands in for tenant service, Kubernetes and Vault. */
let server: Server;
let answers = granted;
const asked: Asked[] = [];
const launches: Launch[] = [];
let site: ActivitySite;

beforeAll(async () => {
  server = createServer((request, response) => {
    const path = request.url ?? '';
    void request.toArray().then((parts) => {
      asked.push({ path, body: Buffer.concat(parts as Buffer[]).toString() });
      const { status, body } = answers[path] ?? { status: 404, body: {} };
      response.writeHead(status, { 'content-type': 'application/json' });
      response.end(JSON.stringify(body));
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const config = new KubeConfig();
  config.loadFromClusterAndUser({ name: 'c', server: url, skipTLSVerify: true }, { name: 'u' });
  const openTenant = createTenantOpener(
    { gitProtocols: 'https', hsmUrl: url, tapmsUrl: `${url}/v1alpha3`, vault: { url } },
    createTokenIssuer(config),
  );
  if (openTenant === undefined) throw new Error('There is nothing to be tested.');
  site = await openActivitySite({
    openTenant,
    runner: {
      ...aRunnerWith({ kind: 'killed', reason: 'lost' }, ''),
      prepare(launch) {
        launches.push(launch);
        return Promise.resolve('i');
      },
      release: () => Promise.resolve(),
    },
  });
});
afterAll(async () => {
  await site.close();
  await new Promise((resolve) => server.close(resolve));
});

/** Takes a session of that tenant's configuration up to its launch. The services answer, except as `others` says. */
async function launch(name: string, tenantName: string, others: Record<string, Answer> = {}) {
  answers = { ...granted, ...others };
  asked.length = launches.length = 0;
  const lastUpdated = '2026-01-01T00:00:00Z';
  await site.store.configurations.save({ name, lastUpdated, layers: [], tenantName });
  const { jobId } = await site.store.sessions.insert(
    aNewSession(name, { configurationName: name, target: { definition: 'spec' } }),
  );
  await site.run(site.activities.claimSession, { jobId });
  await site.run(site.activities.resolveConfiguration, { jobId });
  await site.run<{ jobId: string }, unknown>(site.activities.stageInventory, { jobId });
  await site.run(site.activities.launchJob, { jobId });
  const [launched] = launches;
  if (launched === undefined) throw new Error('Nothing was launched.');
  return launched;
}

const readNote = ({ files }: Launch) => {
  const note = files['launch-notes'];
  return note === undefined ? undefined : gunzipSync(note).toString();
};

test('a session of a tenant has what Vault gives to an account of the tenant', async () => {
  const given = await launch('granted', 'blue');
  expect(given.vaultToken).toBe('s.of-the-tenant');
  expect(asked.map(({ path }) => path)).toEqual([TENANT, ACCOUNT, LOGIN]);
  expect(JSON.parse(asked[2]?.body ?? '')).toEqual({
    role: 'cray-tenant-7',
    jwt: 'token-of-the-account',
  });
  expect(JSON.stringify([given.job, await site.store.sessions.get(given.job.jobId)])).not.toContain(
    's.of-the-tenant',
  );
});

test.each([
  ['nobody', '', {}, []],
  ['a tenant that is gone', 'red', {}, ['/v1alpha3/tenants/red']],
  ['a tenant without keys', 'blue', { [TENANT]: { status: 200, body: { status: {} } } }, [TENANT]],
  ['a name that leads elsewhere', '..', {}, []],
])('a session of %s has none, and nothing is said', async (what, tenant, others, paths) => {
  const given = await launch(`none-${what.replaceAll(' ', '-')}`, tenant, others);
  expect([given.vaultToken, readNote(given)]).toEqual([undefined, undefined]);
  expect(asked.map(({ path }) => path)).toEqual(paths);
});

const forbidden = { message: 'cannot create resource "serviceaccounts/token"' };
test.each([
  ['vault', { [LOGIN]: { status: 403, body: { errors: [] } } }, 'answered with status 403'],
  ['kubernetes', { [ACCOUNT]: { status: 403, body: forbidden } }, `Role has to allow it`],
])('if %s refuses, the session goes on and its log says so', async (name, others, words) => {
  const given = await launch(`refused-${name}`, 'blue', others);
  expect(given.vaultToken).toBeUndefined();
  expect(readNote(given)).toMatch(/^WARNING: VAULT_TOKEN of tenant blue is not set: .*\n$/);
  expect(readNote(given)).toContain(words);
  expect(readNote(given)).not.toContain('token-of-the-account');
});

test('a service that does not answer is asked again', async () => {
  const away = { [LOGIN]: { status: 503, body: {} } };
  await expect(launch('away', 'blue', away)).rejects.toMatchObject({
    fault: 'unavailable',
    reason: 'INTERNAL',
  });
  expect(launches).toEqual([]);
});
