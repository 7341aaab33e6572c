import { execFile } from 'node:child_process';
import { copyFileSync, readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import type { Client } from '@temporalio/client';
import { startCluster, type Cluster } from '../support/cluster.js';
import { createLightSite, type LightSite } from '../support/light-site.js';
import { waitFor } from '../support/wait.js';

const COUNT = 10;
const DIST = fileURLToPath(new URL('../../dist/', import.meta.url));

let cluster: Cluster;
let site: LightSite;
beforeAll(async () => {
  cluster = await startCluster({ hosts: ['node1'], environment: { SWEEP_INTERVAL: '1' } });
  site = await createLightSite(cluster);
});
afterAll(async () => {
  site.close();
  await cluster.close();
});

const toNames = (prefix: string) =>
  Array.from({ length: COUNT }, (_, index) => `${prefix}-${index}`);

async function toJobIds(names: readonly string[]): Promise<readonly string[]> {
  const sessions = await Promise.all(names.map((name) => cluster.find(name)));
  return sessions.map(({ status }) => status.session.job ?? '');
}

/** Expects that each succeeded and ran its only playbook once. */
async function expectResults(names: readonly string[]): Promise<void> {
  for (const name of names) {
    const { status } = await cluster.waitUntilComplete(name, 120_000);
    const { succeeded, reason, message } = status.session;
    expect({ name, succeeded, why: [reason, message], runs: site.runs(name) }).toEqual({
      name,
      succeeded: 'true',
      why: [null, null],
      runs: 1,
    });
  }
}

/** protobuf's Long; the fields take no numbers. */
const toLong = (low: number) => ({ low, high: 0, unsigned: false }) as never;

const reset = (client: Client, workflowId: string) =>
  client.workflowService.resetWorkflowExecution({
    namespace: 'default',
    workflowExecution: { workflowId },
    // The first workflow task ends with the fourth event.
    workflowTaskFinishEventId: toLong(4),
    reason: 'test',
    requestId: `${workflowId}-${Date.now()}`,
  });

/** Runs a command such as `npm run sweep` as the project's scripts do. */
async function runCommand(
  name: string,
  args: readonly string[],
  env: NodeJS.ProcessEnv = cluster.environment,
): Promise<string> {
  const { stdout } = await promisify(execFile)(
    process.execPath,
    [join(DIST, 'commands', `${name}.js`), ...args],
    { env },
  );
  return stdout;
}

describe('ten sessions', () => {
  test('that Temporal terminates, deletes or resets end with ten results', async () => {
    const client = await cluster.temporalClient();
    const ends: Record<string, (jobId: string) => Promise<unknown>> = {
      terminated: (jobId) => client.workflow.getHandle(jobId).terminate('test'),
      deleted: (jobId) =>
        client.workflowService.deleteWorkflowExecution({
          namespace: 'default',
          workflowExecution: { workflowId: jobId },
        }),
      reset: (jobId) => reset(client, jobId),
    };
    for (const [way, end] of Object.entries(ends)) {
      const names = toNames(way);
      await site.hold(names);
      for (const jobId of await toJobIds(names)) await end(jobId);
      site.release(names);
      await expectResults(names);
    }
  }, 300_000);

  test('keep their results when they are reset after their end', async () => {
    const client = await cluster.temporalClient();
    const names = toNames('reset');
    const jobIds = await toJobIds(names);
    for (const jobId of jobIds) await reset(client, jobId);
    for (const jobId of jobIds) await client.workflow.getHandle(jobId).result();
    await expectResults(names);
  });

  test('are not reported as fine by npm run sweep if it could not look everywhere', async () => {
    const environment = { ...cluster.environment, IMS_URL: 'http://127.0.0.1:1' };
    await expect(runCommand('sweep', ['--dry-run'], environment)).rejects.toMatchObject({
      code: 1,
      stdout: expect.stringContaining('Nothing to do.'),
      stderr: expect.stringMatching(/could not be swept: .*ECONNREFUSED/),
    });
    const nowhere = { ...cluster.environment, TEMPORAL_ADDRESS: '' };
    await expect(runCommand('sweep', ['--dry-run'], nowhere)).rejects.toMatchObject({
      code: 1,
      stderr: expect.stringContaining('TEMPORAL_ADDRESS is not set'),
    });
  });

  test('end with ten results when Temporal has lost everything, once --rebind confirms it', async () => {
    const names = toNames('emptied');
    await site.hold(names);
    await cluster.temporal.kill();
    for (const file of readdirSync(cluster.directory)) {
      if (file.startsWith('temporal.db')) rmSync(join(cluster.directory, file));
    }
    await cluster.temporal.start();
    await waitFor(() => Promise.resolve(cluster.worker.output().includes('sweep halted')), {
      what: 'the sweep to see another Temporal',
    });
    await expect(runCommand('sweep', ['--dry-run'])).rejects.toMatchObject({
      code: 1,
      stdout: expect.stringMatching(/^This Temporal .* npm run sweep -- --rebind\n$/),
    });
    const report = await runCommand('sweep', ['--rebind']);
    // Either the command restarts them, or the worker's own sweep does first.
    expect(`${report}${cluster.worker.output()}`).toMatch(/restarted|"act":"restart"/);
    site.release(names);
    await expectResults(names);
  }, 200_000);

  test('end with ten results in another namespace, once --rebind confirms it', async () => {
    const client = await cluster.temporalClient();
    const names = toNames('renamed');
    await site.hold(names);
    await Promise.all([cluster.api.kill('SIGTERM'), cluster.worker.kill('SIGTERM')]);
    await client.workflowService.registerNamespace({
      namespace: 'renamed',
      workflowExecutionRetentionPeriod: { seconds: toLong(86_400) },
    });
    cluster.environment['TEMPORAL_NAMESPACE'] = 'renamed';
    await Promise.all([cluster.api.start(), cluster.worker.start()]);
    await runCommand('sweep', ['--rebind']);
    site.release(names);
    await expectResults(names);
  }, 200_000);

  test('end with ten results on a database that is older than their jobs, and launch nothing', async () => {
    const names = toNames('restored');
    const data = join(cluster.directory, 'data');
    const file = join(data, 'keelson.db');
    const backup = join(cluster.directory, 'backup.db');
    // In the backup the sessions are posted and started in Temporal, but no worker has run them.
    await cluster.worker.kill('SIGTERM');
    const holding = site.hold(names);
    await waitFor(() => Promise.resolve(countStarted(file, 'restored') === COUNT), {
      what: 'all to be started',
    });
    new DatabaseSync(file).exec(`VACUUM INTO '${backup}'`);
    await cluster.worker.start();
    await holding;
    await Promise.all([cluster.api.kill('SIGTERM'), cluster.worker.kill('SIGTERM')]);
    for (const name of readdirSync(data)) {
      if (name.startsWith('keelson.db')) rmSync(join(data, name));
    }
    copyFileSync(backup, file);
    expect(await runCommand('restored', ['--json'])).toBe(
      `${JSON.stringify({ sessions: names })}\n`,
    );
    await cluster.worker.start();
    await cluster.api.start();
    site.release(names);
    await expectResults(names);
  }, 300_000);
});

function countStarted(file: string, prefix: string): number {
  const database = new DatabaseSync(file, { readOnly: true });
  try {
    const query = `SELECT count(*) AS count FROM sessions WHERE name LIKE '${prefix}-%' AND dispatched = 'started'`;
    return Number(database.prepare(query).get()?.['count']);
  } finally {
    database.close();
  }
}
