import {
  closeSync,
  mkdtempSync,
  openSync,
  rmSync,
  statfsSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { toJobToken } from '../../src/api/job-token.js';
import { openSqliteStore } from '../../src/store/database/sqlite.js';
import { startApiProcess, type ApiProcess } from '../support/api-process.js';
import { readValue } from '../support/exposition.js';
import { aNewSession } from '../support/store-builders.js';
import { describeWithMount, UNSHARE } from '../support/own-mount.js';
import { waitFor } from '../support/wait.js';

const SIZE_MEBIBYTES = 128;
const MASTER_KEY = '0123456789abcdef'.repeat(4);
const PHASE = 'ansible-0';

describeWithMount('on a disk that is nearly full', () => {
  let directory: string;
  let api: ApiProcess;
  /** The data directory of the API process, as a path of this process. */
  let data: string;
  let jobId: string;
  beforeAll(async () => {
    directory = mkdtempSync(join(tmpdir(), 'keelson-disk-'));
    const keyFile = join(directory, 'key');
    writeFileSync(keyFile, `${MASTER_KEY}\n`);
    jobId = await addRunningSession(join(directory, 'keelson.db'));
    const mountPoint = mkdtempSync(join(directory, 'data-'));
    const mount = `mount -t tmpfs -o size=${SIZE_MEBIBYTES}m tmpfs "${mountPoint}" &&
      cp "${join(directory, 'keelson.db')}" "${mountPoint}" && exec "$@"`;
    api = await startApiProcess({ KEELSON_DATA: mountPoint, MASTER_KEY_FILE: keyFile }, [
      ...UNSHARE,
      ...['sh', '-c', mount, 'sh'],
    ]);
    data = `/proc/${api.pid}/root${mountPoint}`;
  });
  afterAll(async () => {
    await api.close();
    rmSync(directory, { recursive: true });
  });

  const create = (name: string) =>
    api.ask('POST', '/v3/sessions', { name, configuration_name: 'debug_noop' });

  const deliver = async (
    jobId: string,
    method: string,
    path: string,
    type: string,
    body: string,
  ) => {
    const answer = await fetch(`${api.url}/jobs/${jobId}/phases/${PHASE}/${path}`, {
      method,
      body,
      headers: {
        authorization: `Bearer ${toJobToken(Buffer.from(MASTER_KEY, 'hex'), jobId)}`,
        'content-type': type,
        'upload-offset': '0',
      },
    });
    return answer.status;
  };

  test('no session is accepted, and a running one can complete', async () => {
    expect((await create('before')).status).toBe(201);
    fill(data, 0.04);
    let tries = 0;
    const refused = await waitFor(async () => {
      tries += 1;
      const answer = await create(`try-${tries}`);
      return answer.status === 503 ? answer : undefined;
    });
    expect(refused.headers.get('retry-after')).toMatch(/^\d+$/);
    expect(refused.body).toMatchObject({ detail: expect.stringMatching(/is 9[5-9] % full/) });
    expect((await api.ask('GET', `/v3/sessions/try-${tries}`)).status).toBe(404);
    const metrics = await (await fetch(`${api.url}/metrics`)).text();
    expect(readValue(metrics, 'keelson_disk_used_ratio')).toBeGreaterThanOrEqual(0.95);

    const log = 'a line\n'.repeat(10_000);
    const hosts = [{ host: 'x1', ok: 1, ...toNone('changed', 'failed', 'skipped', 'unreachable') }];
    const report = JSON.stringify({
      sequence: 1,
      final: true,
      hosts: hosts.map((host) => ({ ...host, incomplete: false })),
    });
    expect(await deliver(jobId, 'PATCH', 'log', 'application/partial-upload', log)).toBe(204);
    expect(await deliver(jobId, 'PUT', 'hosts', 'application/json', report)).toBe(204);
    const status = { session: { status: 'complete', succeeded: 'true' } };
    expect(await api.ask('PATCH', '/v3/sessions/runs', { status })).toMatchObject({ status: 200 });
    expect(await (await fetch(`${api.url}/v3/sessions/runs/logs?phase=${PHASE}`)).text()).toBe(log);
    expect((await api.ask('GET', '/v3/sessions/runs/hosts')).body).toMatchObject({
      hosts: [{ host: 'x1' }],
    });
    expect((await api.ask('GET', '/v3/sessions/runs')).body).toMatchObject({ status });

    fill(data, 0);
    const large = { layers: [], description: 'x'.repeat(500_000) };
    expect(await api.ask('PUT', '/v3/configurations/large', large)).toMatchObject({
      status: 503,
      body: { detail: 'The database can store nothing: database or disk is full' },
    });

    rmSync(join(data, 'filler'));
    await waitFor(async () => (await create('again')).status === 201);
  });
});

/** Adds a session that an external operator runs. */
async function addRunningSession(path: string): Promise<string> {
  const store = await openSqliteStore({ path });
  const { jobId } = await store.sessions.insert({ ...aNewSession('runs'), external: true });
  await store.phases.savePlan(jobId, [{ name: PHASE, kind: 'ansible', title: PHASE }]);
  await store.close();
  return jobId;
}

function toNone(...names: readonly string[]): Record<string, number> {
  return Object.fromEntries(names.map((name) => [name, 0]));
}

/** Fills the disk until this share of it is left. */
function fill(directory: string, left: number): void {
  const { bsize, blocks, bfree } = statfsSync(directory);
  const block = Buffer.alloc(bsize);
  const file = openSync(join(directory, 'filler'), 'a');
  for (let more = bfree - Math.floor(blocks * left); more > 0; more -= 1) writeSync(file, block);
  closeSync(file);
}
