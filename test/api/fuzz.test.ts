import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, mkdtempSync, openSync, readFileSync, rmSync } from 'node:fs';
import { Agent, request, type IncomingMessage } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { pino } from 'pino';
import { toJobToken } from '../../src/api/job-token.js';
import { readMasterKey } from '../../src/process/keys.js';
import { openStore, type DatabaseOptions } from '../../src/store/open.js';
import { describeWithPostgres, startPostgres } from '../support/postgres.js';
import { addPlannedSession } from '../support/store-builders.js';
import { createRepository, type Repository } from '../support/git-repository.js';
import { findFreePort } from '../support/ssh-host.js';
import { waitFor } from '../support/wait.js';
import {
  toFuzzRequests,
  type ApiDocument,
  type FuzzRequest,
  type FuzzSite,
} from './fuzz-requests.js';

const program = fileURLToPath(new URL('../../dist/api/server.js', import.meta.url));
/** Requests per database. The seed is fixed unless FUZZ_REQUESTS is set, as by `npm run fuzz:all`. */
const { FUZZ_REQUESTS, FUZZ_SEED } = process.env;
const REQUESTS = Number(FUZZ_REQUESTS ?? 1_500);
const SEED = Number(FUZZ_SEED ?? (FUZZ_REQUESTS === undefined ? 1 : Date.now() % 2 ** 31));
const AT_ONCE = 20;
const MINUTE = 60_000;

interface FuzzDatabase {
  readonly options: DatabaseOptions;
  readonly environment: Readonly<Record<string, string>>;
  close(): Promise<void>;
}

const agent = new Agent({ keepAlive: true, maxSockets: AT_ONCE });
afterAll(() => agent.destroy());

describe('on SQLite', () =>
  fuzz((directory) =>
    Promise.resolve({
      options: { kind: 'sqlite', path: join(directory, 'keelson.db') },
      environment: {},
      close: () => Promise.resolve(),
    }),
  ));

describeWithPostgres('on PostgreSQL', () =>
  fuzz(async () => {
    const server = await startPostgres();
    const url = await server.createDatabase();
    return {
      options: { kind: 'postgres', url },
      environment: { DATABASE_URL: url },
      close: () => server.close(),
    };
  }),
);

function fuzz(openDatabase: (directory: string) => Promise<FuzzDatabase>): void {
  const directory = mkdtempSync(join(tmpdir(), 'keelson-fuzz-'));
  let database: FuzzDatabase;
  let service: FuzzService;
  let repository: Repository;
  beforeAll(async () => {
    database = await openDatabase(directory);
    service = await startService(directory, database);
    repository = createRepository({ files: { 'site.yml': '[]\n' } });
  });
  afterAll(async () => {
    await service.stop();
    await database.close();
    repository.remove();
    rmSync(directory, { recursive: true, force: true });
  });

  test(
    `${REQUESTS} generated requests are answered, none as a fault of the service (seed ${SEED})`,
    async () => {
      const requests = toFuzzRequests({
        document: (await readJson(service.url, '/openapi.json')) as ApiDocument,
        job: service.job,
        urls: [repository.url, `file://${directory}/nowhere.git`],
      });
      const statuses = await sendAll(service.url, requests);

      // Otherwise all requests would fail in the same way and test nothing.
      expect([...statuses.keys()]).toEqual(expect.arrayContaining([200, 201, 204, 400, 404, 409]));
    },
    60 * MINUTE,
  );

  test('afterwards the database is readable, and the service exits with 0', async () => {
    const { url } = service;
    expect(await readJson(url, '/v3/sessions?limit=10000')).toHaveProperty('sessions');
    expect(await readJson(url, '/v3/configurations?limit=10000')).toHaveProperty('configurations');
    expect(await readJson(url, '/v3/options')).toHaveProperty('default_page_size');

    expect(await service.stop()).toBe(0);
    expect(service.errors()).toEqual([]);
    const store = await openStore(database.options, pino({ level: 'silent' }));
    expect((await store.sessions.list({}, { limit: 10_000 })).hasMore).toBe(false);
    await store.close();
  });
}

/** Counts answers by status; throws at the first status that is the service's fault. */
async function sendAll(
  url: string,
  requests: fc.Arbitrary<FuzzRequest>,
): Promise<ReadonlyMap<number, number>> {
  const statuses = new Map<number, number>();
  const batch = fc.array(requests, { minLength: AT_ONCE, maxLength: AT_ONCE });
  await fc.assert(
    fc.asyncProperty(batch, async (batched) => {
      const answers = await Promise.all(batched.map((request) => send(url, request)));
      for (const status of answers) statuses.set(status, (statuses.get(status) ?? 0) + 1);
      const bad = answers.findIndex((status) => status < 200 || status >= 500);
      if (bad >= 0) throw new Error(`${answers[bad]}: ${JSON.stringify(batched[bad])}`);
    }),
    { seed: SEED, numRuns: Math.ceil(REQUESTS / AT_ONCE) },
  );
  if (FUZZ_REQUESTS !== undefined) console.log(Object.fromEntries(statuses));
  return statuses;
}

interface FuzzService {
  readonly url: string;
  readonly job: FuzzSite['job'];
  stop(): Promise<number | null>;
  /** Log lines that report a defect. */
  errors(): readonly string[];
}

/** A real API process, which neither runs sessions nor calls Temporal. */
async function startService(directory: string, database: FuzzDatabase): Promise<FuzzService> {
  const store = await openStore(database.options, pino({ level: 'silent' }));
  await addPlannedSession(store);
  // Of a name that no request has, so that it is not over after the first hundreds.
  const jobId = await addPlannedSession(store, 'kept');
  await store.close();
  const port = await findFreePort();
  const logFile = join(directory, 'log');
  const log = openSync(logFile, 'a');
  const server = spawn(process.execPath, [program], {
    env: {
      ...process.env,
      ...database.environment,
      KEELSON_DATA: directory,
      API_LISTEN: `127.0.0.1:${port}`,
      RUNNER: 'none',
      GIT_ALLOW_PROTOCOL: 'file',
      MAX_BODY_BYTES: '65536',
      MAX_LIST_BYTES: '131072',
      LOG_LEVEL: 'warn',
    },
    stdio: ['ignore', log, log],
  });
  closeSync(log);
  const url = `http://127.0.0.1:${port}`;
  const isReady = async () => (await fetch(`${url}/healthz/ready`)).ok;
  await waitFor(isReady, { what: 'the API' });
  return {
    url,
    job: { id: jobId, token: toJobToken(readMasterKey(join(directory, 'master.key')), jobId) },
    async stop() {
      if (server.exitCode === null && server.kill('SIGTERM')) await once(server, 'exit');
      return server.exitCode;
    },
    errors: () =>
      readFileSync(logFile, 'utf8')
        .split('\n')
        .filter((line) => /"level":[56]0/.test(line)),
  };
}

/** Returns the status; leaves endless streams as soon as they begin. */
async function send(url: string, { method, target, headers, body }: FuzzRequest): Promise<number> {
  const { hostname, port } = new URL(url);
  const length = body === undefined ? {} : { 'Content-Length': body.length };
  const options = { agent, method, path: target, headers: { ...headers, ...length } };
  const sent = request({ hostname, port, ...options });
  sent.end(body);
  const [response] = (await once(sent, 'response')) as [IncomingMessage];
  if (isEndless(target, response)) response.destroy();
  else await response.toArray();
  return response.statusCode ?? 0;
}

function isEndless(target: string, { headers }: IncomingMessage): boolean {
  return /follow/i.test(target) || /event-stream/.test(headers['content-type'] ?? '');
}

async function readJson(url: string, path: string): Promise<unknown> {
  const response = await fetch(`${url}${path}`);
  expect(response.status).toBe(200);
  return response.json();
}
