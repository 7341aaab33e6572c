import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { pino } from 'pino';
import { parseConfig } from '../../src/config.js';
import { startEmbedded } from '../../src/embedded.js';
import type { Service } from '../../src/process/run.js';
import { openSqliteStore } from '../../src/store/database/sqlite.js';
import { aNewSession, at } from '../support/store-builders.js';
import { waitFor } from '../support/wait.js';

let directory: string;
let service: Service;
let url: string;
beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'keelson-[outside]-'));
  await start();
});
afterAll(async () => {
  await service.close();
  await rm(directory, { recursive: true });
});

async function ask(method: string, path: string, body?: object): Promise<[number, unknown]> {
  const answer = await fetch(`${url}${path}`, {
    method,
    ...(body === undefined
      ? {}
      : { body: JSON.stringify(body), headers: { 'content-type': 'application/json' } }),
  });
  const text = await answer.text();
  return [answer.status, text === '' ? undefined : JSON.parse(text)];
}

async function start(): Promise<void> {
  const config = parseConfig({
    RUNNER: 'none',
    LOG_LEVEL: 'error',
    KEELSON_DATA: directory,
    API_LISTEN: '127.0.0.1:0',
    TEMPORAL_CLI: '/nowhere/temporal',
  });
  service = await startEmbedded(config, pino({ level: 'silent' }));
  ({ api: url } = JSON.parse(await readFile(join(directory, 'service.json'), 'utf8')) as {
    api: string;
  });
}

describe('the service with RUNNER=none', () => {
  test('needs no Temporal, and /healthz says so', async () => {
    expect(await ask('GET', '/healthz')).toEqual([
      200,
      { db_status: 'ok', kafka_status: 'ok', temporal_status: 'not_used', temporal_ui: null },
    ]);
  });

  test('records sessions, which stay pending, and lets them be cancelled and deleted', async () => {
    const create = (name: string) =>
      ask('POST', '/v3/sessions', { name, configuration_name: 'debug_noop' });
    const status = { session: { status: 'pending', succeeded: 'none', job: null } };
    expect(await create('a')).toMatchObject([201, { status }]);
    expect(await create('b')).toMatchObject([201, { status }]);
    expect(await ask('POST', '/v3/sessions/a/cancel')).toMatchObject([
      202,
      { status: { session: { status: 'complete', reason: 'CANCELLED' } } },
    ]);
    expect(await ask('DELETE', '/v3/sessions/b')).toEqual([204, undefined]);
    expect(await ask('GET', '/v3/sessions/b')).toMatchObject([404, {}]);
  });

  test('removes only sessions that completed long ago', async () => {
    for (const name of ['old', 'recent'])
      await ask('POST', '/v3/sessions', { name, configuration_name: 'debug_noop' });
    const complete = { status: 'complete', succeeded: 'true' };
    const old = { ...complete, completion_time: '2020-01-01T00:00:00' };
    await ask('PATCH', '/v3/sessions/old', { status: { session: old } });
    await ask('PATCH', '/v3/sessions/recent', { status: { session: complete } });
    await service.close();
    await start();
    await waitFor(async () => (await ask('GET', '/v3/sessions/old'))[0] === 404);
    expect((await ask('GET', '/v3/sessions/recent'))[0]).toBe(200);
  });

  test('keeps no record for webhooks of an earlier worker', async () => {
    await service.close();
    const store = await openSqliteStore({ path: join(directory, 'keelson.db') });
    await store.notifications.turnOn();
    for (const name of ['earlier', 'later']) await store.sessions.insert(aNewSession(name));
    await store.sessions.requestCancel('earlier', { at: at(1) });
    expect(await store.notifications.count()).toBe(1);
    await start();
    await store.sessions.requestCancel('later', { at: at(1) });
    expect(await store.notifications.count()).toBe(0);
    await store.close();
  });
});
