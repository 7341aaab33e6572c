import { copyFileSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { Client, WorkflowNotFoundError } from '@temporalio/client';
import { startCluster, type Cluster } from '../support/cluster.js';
import { runCommand } from '../support/commands.js';
import { expectResults, toNames } from '../support/light-results.js';
import { createLightSite, type LightSite } from '../support/light-site.js';
import { waitFor } from '../support/wait.js';

const COUNT = 10;

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

async function toJobIds(names: readonly string[]): Promise<readonly string[]> {
  const sessions = await Promise.all(names.map((name) => cluster.find(name)));
  return sessions.map(({ status }) => status.session.job ?? '');
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

const remove = (client: Client, workflowId: string) =>
  client.workflowService.deleteWorkflowExecution({
    namespace: client.options.namespace,
    workflowExecution: { workflowId },
  });

/** What Temporal does with a closed workflow when its retention has passed. */
async function expire(client: Client, workflowId: string): Promise<void> {
  await client.workflow.getHandle(workflowId).result();
  await remove(client, workflowId);
  await waitFor(async () => !(await isKnown(client, workflowId)), {
    what: `${workflowId} to be removed`,
  });
}

const isKnown = (client: Client, workflowId: string) =>
  client.workflow
    .getHandle(workflowId)
    .describe()
    .then(
      () => true,
      (error: unknown) => {
        if (error instanceof WorkflowNotFoundError) return false;
        throw error;
      },
    );

const run = (name: string, args: readonly string[], env = cluster.environment) =>
  runCommand(name, args, env);

describe('ten sessions', () => {
  test('that Temporal terminates, deletes or resets end with ten results', async () => {
    const client = await cluster.temporalClient();
    const ends: Record<string, (jobId: string) => Promise<unknown>> = {
      terminated: (jobId) => client.workflow.getHandle(jobId).terminate('test'),
      deleted: (jobId) => remove(client, jobId),
      reset: (jobId) => reset(client, jobId),
    };
    for (const [way, end] of Object.entries(ends)) {
      const names = toNames(way, COUNT);
      await site.hold(names);
      for (const jobId of await toJobIds(names)) await end(jobId);
      site.release(names);
      await expectResults(cluster, site, names);
    }
  }, 300_000);

  test('keep their results when they are reset after their end', async () => {
    const client = await cluster.temporalClient();
    const names = toNames('reset', COUNT);
    const jobIds = await toJobIds(names);
    for (const jobId of jobIds) await reset(client, jobId);
    for (const jobId of jobIds) await client.workflow.getHandle(jobId).result();
    await expectResults(cluster, site, names);
  });

  test('keep their results when Temporal has removed their workflows after its retention', async () => {
    const client = await cluster.temporalClient();
    const names = toNames('reset', COUNT);
    const jobIds = await toJobIds(names);
    await Promise.all(jobIds.map((jobId) => expire(client, jobId)));
    expect(await run('sweep', [])).toContain('Nothing to do.');
    expect(await Promise.all(jobIds.map((jobId) => isKnown(client, jobId)))).not.toContain(true);
    await expectResults(cluster, site, names);
    for (const name of names) {
      const { status } = await cluster.ask('DELETE', `/v3/sessions/${name}`);
      expect([name, status]).toEqual([name, 204]);
    }
  });

  test('are not reported as fine by npm run sweep if it could not look everywhere', async () => {
    const environment = { ...cluster.environment, IMS_URL: 'http://127.0.0.1:1' };
    await expect(run('sweep', ['--dry-run'], environment)).rejects.toMatchObject({
      code: 1,
      stdout: expect.stringContaining('Nothing to do.'),
      stderr: expect.stringMatching(/could not be swept: .*ECONNREFUSED/),
    });
    const nowhere = { ...cluster.environment, TEMPORAL_ADDRESS: '' };
    await expect(run('sweep', ['--dry-run'], nowhere)).rejects.toMatchObject({
      code: 1,
      stderr: expect.stringContaining('TEMPORAL_ADDRESS is not set'),
    });
  });

  test('end with ten results when Temporal has lost everything, once --rebind confirms it', async () => {
    const names = toNames('emptied', COUNT);
    await site.hold(names);
    await cluster.temporal.kill();
    for (const file of readdirSync(cluster.directory)) {
      if (file.startsWith('temporal.db')) rmSync(join(cluster.directory, file));
    }
    await cluster.temporal.start();
    await waitFor(() => Promise.resolve(cluster.worker.output().includes('sweep halted')), {
      what: 'the sweep to see another Temporal',
    });
    await expect(run('sweep', ['--dry-run'])).rejects.toMatchObject({
      code: 1,
      stdout: expect.stringMatching(/^This Temporal .* npm run sweep -- --rebind\n$/),
    });
    const report = await run('sweep', ['--rebind']);
    // Either the command restarts them, or the worker's own sweep does first.
    expect(`${report}${cluster.worker.output()}`).toMatch(/restarted|"act":"restart"/);
    site.release(names);
    await expectResults(cluster, site, names);
  }, 200_000);

  test('end with ten results in another namespace, once --rebind confirms it', async () => {
    const client = await cluster.temporalClient();
    const names = toNames('renamed', COUNT);
    await site.hold(names);
    await Promise.all([cluster.api.kill('SIGTERM'), cluster.worker.kill('SIGTERM')]);
    await client.workflowService.registerNamespace({
      namespace: 'renamed',
      workflowExecutionRetentionPeriod: { seconds: toLong(86_400) },
    });
    cluster.environment['TEMPORAL_NAMESPACE'] = 'renamed';
    await Promise.all([cluster.api.start(), cluster.worker.start()]);
    await run('sweep', ['--rebind']);
    site.release(names);
    await expectResults(cluster, site, names);
  }, 200_000);
});

describe('ten sessions that a database was restored with', () => {
  const names = toNames('restored', COUNT);
  const backup = () => join(cluster.directory, 'backup.db');

  async function restore(): Promise<void> {
    const data = join(cluster.directory, 'data');
    await Promise.all([cluster.api.kill('SIGTERM'), cluster.worker.kill('SIGTERM')]);
    for (const name of readdirSync(data)) {
      if (name.startsWith('keelson.db')) rmSync(join(data, name));
    }
    copyFileSync(backup(), join(data, 'keelson.db'));
    expect(await run('restored', ['--json'])).toBe(`${JSON.stringify({ sessions: names })}\n`);
    await cluster.worker.start();
    await cluster.api.start();
  }

  /** And results of hosts. */
  async function expectWholeLogs(): Promise<void> {
    const jobs = join(cluster.directory, 'data', 'jobs');
    for (const name of names) {
      const [job = ''] = await toJobIds([name]);
      const log = readFileSync(join(jobs, job, 'logs', 'ansible-0.log'), 'utf8');
      expect(await cluster.log(name, 'ansible-0')).toBe(log);
      const { body } = await cluster.ask('GET', `/v3/sessions/${name}/hosts`);
      expect(body).toMatchObject({ hosts: [{ host: 'localhost' }] });
    }
  }

  test('end with ten results although it is older than their jobs, and launch nothing', async () => {
    const file = join(cluster.directory, 'data', 'keelson.db');
    // In the backup the sessions are posted and started in Temporal, but no worker has run them.
    await cluster.worker.kill('SIGTERM');
    const holding = site.hold(names);
    await waitFor(() => Promise.resolve(countStarted(file, 'restored') === COUNT), {
      what: 'all to be started',
    });
    new DatabaseSync(file).exec(`VACUUM INTO '${backup()}'`);
    await cluster.worker.start();
    await holding;
    await restore();
    site.release(names);
    await expectResults(cluster, site, names);
  }, 300_000);

  test('end with ten results and whole logs when their workflows have ended since', async () => {
    await restore();
    await expectResults(cluster, site, names);
    await expectWholeLogs();
  }, 200_000);

  test('end with ten results when Temporal has removed their workflows, too', async () => {
    const client = new Client({
      connection: (await cluster.temporalClient()).connection,
      namespace: cluster.environment['TEMPORAL_NAMESPACE'] ?? 'default',
    });
    const jobIds = await toJobIds(names);
    await Promise.all(jobIds.map((jobId) => expire(client, jobId)));
    await restore();
    await expectResults(cluster, site, names);
    await expectWholeLogs();
  }, 200_000);
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
