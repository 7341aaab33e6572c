import { copyFileSync, existsSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { startCluster, type Cluster } from '../support/cluster.js';
import { createLightSite, type LightSite } from '../support/light-site.js';
import { waitFor } from '../support/wait.js';

let cluster: Cluster;
let site: LightSite;
beforeAll(async () => {
  cluster = await startCluster({ hosts: ['node1'], environment: { SWEEP_INTERVAL: '1' } });
  site = await createLightSite(cluster);
  await cluster.ask('PATCH', '/v3/options', { max_running_sessions: 1 });
});
afterAll(async () => {
  site.close();
  await cluster.close();
});

const submit = (name: string) => cluster.submit(name, { configuration_name: 'light' });

const readColumn = (name: string, column: string) => {
  const database = new DatabaseSync(join(cluster.directory, 'data', 'keelson.db'));
  const row = database.prepare(`select ${column} as value from sessions where name = ?`).get(name);
  database.close();
  return row?.['value'];
};

const whenColumn = (name: string, column: string, isReached: (value: unknown) => boolean) =>
  waitFor(() => isReached(readColumn(name, column)), { what: `${column} of ${name}` });

const isSet = (value: unknown) => value !== null;

/** The dev server's file and SQLite's files beside it. */
const files = (): readonly string[] =>
  ['', '-wal', '-shm'].map((suffix) => join(cluster.directory, `temporal.db${suffix}`));

function save(): void {
  for (const file of files()) if (existsSync(file)) copyFileSync(file, `${file}.saved`);
}

function setBack(): void {
  for (const file of files()) {
    rmSync(file, { force: true });
    if (existsSync(`${file}.saved`)) copyFileSync(`${file}.saved`, file);
  }
}

const countRunning = async () => {
  const client = await cluster.temporalClient();
  const query = "WorkflowType = 'SessionWorkflow' AND ExecutionStatus = 'Running'";
  return (await client.workflow.count(query)).count;
};

const statusOf = async (name: string) => {
  const client = await cluster.temporalClient();
  const jobId = String(readColumn(name, 'job_id'));
  return (await client.workflow.getHandle(jobId).describe()).status.name;
};

test('sessions go on as their records say after Temporal was restored from a backup', async () => {
  await site.hold(['first']);
  for (const name of ['over', 'next', 'dropped']) {
    await submit(name);
    await whenColumn(name, 'queued_at', isSet);
  }
  await waitFor(async () => (await countRunning()) === 4, { what: 'four workflows' });
  await cluster.temporal.kill('SIGTERM');
  save();
  await cluster.temporal.start();

  // What Temporal will have lost: that one session has run to its end, another one has its place, and a third is cancelled.
  writeFileSync(join(cluster.directory, 'light', 'next.gate'), '');
  site.release(['first']);
  for (const name of ['first', 'over']) await cluster.waitUntilComplete(name);
  await whenColumn('next', 'launched_at', isSet);
  await cluster.worker.kill('SIGTERM');
  await cluster.ask('POST', '/v3/sessions/dropped/cancel');
  await whenColumn('dropped', 'dispatched', (value) => value === 'cancelled');
  await cluster.temporal.kill('SIGTERM');
  setBack();
  await cluster.temporal.start();
  await cluster.worker.start();

  expect((await cluster.waitUntilComplete('dropped')).status.session).toMatchObject({
    reason: 'CANCELLED',
  });
  site.release(['next']);
  expect((await cluster.waitUntilComplete('next')).status.session).toMatchObject({
    succeeded: 'true',
  });
  await waitFor(async () => (await countRunning()) === 0, {
    timeoutMs: 60_000,
    what: 'every workflow to end',
  });
  expect(await Promise.all(['over', 'next'].map(statusOf))).toEqual(['TERMINATED', 'COMPLETED']);
  expect(['first', 'over', 'next'].map((name) => site.runs(name))).toEqual([1, 1, 1]);
}, 300_000);
