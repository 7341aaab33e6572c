import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, mkdtempSync, openSync, readFileSync, rmSync } from 'node:fs';
import { Agent, request, type IncomingMessage } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { toJobToken } from '../../src/api/job-token.js';
import { readMasterKey } from '../../src/process/keys.js';
import { openSqliteStore } from '../../src/store/sqlite.js';
import { addPlannedSession } from '../support/store-builders.js';
import { createRepository, type Repository } from '../support/git-repository.js';
import { findFreePort } from '../support/ssh-host.js';
import { waitFor } from '../support/wait.js';
import { toFuzzRequests, type ApiDocument, type FuzzRequest } from './fuzz-requests.js';

const program = fileURLToPath(new URL('../../dist/api/server.js', import.meta.url));
const REQUESTS = Number(process.env['FUZZ_REQUESTS'] ?? 2_000);
const SEED = Number(process.env['FUZZ_SEED'] ?? Date.now() % 2 ** 31);
const AT_ONCE = 20;
const MINUTE = 60_000;

let directory: string;
let logFile: string;
let server: ChildProcess;
let url: string;
let repository: Repository;
let tokens: readonly string[];
let urls: readonly string[];
const agent = new Agent({ keepAlive: true, maxSockets: AT_ONCE });

beforeAll(async () => {
  directory = mkdtempSync(join(tmpdir(), 'keelson-fuzz-'));
  const store = await openSqliteStore({ path: join(directory, 'keelson.db') });
  const jobId = await addPlannedSession(store);
  await store.close();
  const port = await findFreePort();
  url = `http://127.0.0.1:${port}`;
  logFile = join(directory, 'log');
  const log = openSync(logFile, 'a');
  server = spawn(process.execPath, [program], {
    env: {
      ...process.env,
      KEELSON_DATA: directory,
      API_LISTEN: `127.0.0.1:${port}`,
      RUNNER: 'none',
      GIT_ALLOW_PROTOCOL: 'file',
      MAX_BODY_BYTES: '65536',
      LOG_LEVEL: 'warn',
    },
    stdio: ['ignore', log, log],
  });
  closeSync(log);
  const isReady = () =>
    fetch(`${url}/healthz/ready`).then(
      ({ ok }) => ok,
      () => false,
    );
  await waitFor(isReady, { what: 'the API', timeoutMs: 30_000 });
  tokens = [toJobToken(readMasterKey(join(directory, 'master.key')), jobId), 'a'.repeat(43)];
  repository = createRepository({ files: { 'site.yml': '[]\n' } });
  urls = [repository.url, `file://${directory}/nowhere.git`];
}, MINUTE);

afterAll(() => {
  agent.destroy();
  repository.remove();
  if (server.exitCode === null) server.kill('SIGKILL');
  rmSync(directory, { recursive: true, force: true });
});

/** The status; streams that have no end are left as soon as they begin. */
async function send({ method, target, headers, body }: FuzzRequest): Promise<number> {
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

async function readJson(path: string): Promise<unknown> {
  const response = await fetch(`${url}${path}`);
  expect(response.status).toBe(200);
  return response.json();
}

describe(`requests that nobody would send, ${REQUESTS} of them, seed ${SEED}`, () => {
  test(
    'are answered, and never as a fault of the service',
    async () => {
      const document = (await readJson('/openapi.json')) as ApiDocument;
      const requests = toFuzzRequests({ document, tokens, urls });
      const batch = fc.array(requests, { minLength: 1, maxLength: AT_ONCE, size: 'max' });
      let sent = 0;
      const statuses = new Map<number, number>();
      await fc.assert(
        fc.asyncProperty(batch, async (batched) => {
          const answers = await Promise.all(batched.map(send));
          sent += answers.length;
          for (const status of answers) statuses.set(status, (statuses.get(status) ?? 0) + 1);
          const bad = answers.findIndex((status) => status < 200 || status >= 500);
          if (bad >= 0) throw new Error(`${answers[bad]}: ${JSON.stringify(batched[bad])}`);
        }),
        {
          seed: SEED,
          numRuns: Math.ceil(REQUESTS / (AT_ONCE / 2)),
          interruptAfterTimeLimit: 60 * MINUTE,
        },
      );
      if (process.env['FUZZ_REQUESTS'] !== undefined)
        console.log(sent, Object.fromEntries(statuses));
      expect(sent).toBeGreaterThan(REQUESTS / 2);
      expect([200, 201, 204, 400, 404, 405].filter((status) => !statuses.has(status))).toEqual([]);
    },
    60 * MINUTE,
  );

  test('leave the database readable, and the service whole', async () => {
    const { sessions } = (await readJson('/v3/sessions?limit=10000')) as { sessions: unknown[] };
    expect(sessions.length).toBeGreaterThan(0);
    await readJson('/v3/configurations?limit=10000');
    await readJson('/v3/options');

    server.kill('SIGTERM');
    if (server.exitCode === null) await once(server, 'exit');

    expect(server.exitCode).toBe(0);
    const errors = readFileSync(logFile, 'utf8')
      .split('\n')
      .filter((line) => /"level":[56]0/.test(line));
    expect(errors).toEqual([]);
    const store = await openSqliteStore({ path: join(directory, 'keelson.db') });
    await store.ping();
    await store.close();
  });
});
