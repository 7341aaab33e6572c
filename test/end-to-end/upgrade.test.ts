import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { startCluster, type Cluster, type Replica } from '../support/cluster.js';
import { createLightSite, type LightSite } from '../support/light-site.js';
import { describeWithPostgres, startPostgres, type PostgresServer } from '../support/postgres.js';
import { waitFor } from '../support/wait.js';

/** `PENDING_ACTIVITY_STATE_SCHEDULED`: no worker runs it. */
const SCHEDULED = 1;
const CANCELLED = [
  'activityTaskCancelRequestedEventAttributes',
  'activityTaskCanceledEventAttributes',
];

describeWithPostgres('two APIs, two workers, one PostgreSQL', () => {
  let server: PostgresServer;
  let cluster: Cluster;
  let replicas: readonly Replica[];
  let site: LightSite;
  beforeAll(async () => {
    server = await startPostgres();
    const environment = {
      DATABASE_URL: await server.createDatabase(),
      MASTER_KEY_FILE: join(server.directory, 'master.key'),
    };
    cluster = await startCluster({ hosts: ['node1'], environment });
    const second = await cluster.another('2', { KEELSON_DATA: join(cluster.directory, 'data-2') });
    await Promise.all([second.api.start(), second.worker.start()]);
    replicas = [cluster, second];
    site = await createLightSite(cluster);
  });
  afterAll(async () => {
    site.close();
    await cluster.close();
    await server.close();
  });

  /** Posts as a client does that gets no answer: again, and to the other API. */
  async function post(name: string): Promise<void> {
    const body = JSON.stringify({ name, configuration_name: 'light' });
    const headers = { 'content-type': 'application/json' };
    let turn = 0;
    await waitFor(
      async () => {
        const url = replicas[turn++ % replicas.length]?.url;
        const { status } = await fetch(`${url}/v3/sessions`, { method: 'POST', headers, body });
        return status === 201 || status === 409;
      },
      { what: `${name} to be accepted` },
    );
  }

  async function expectRunOnce(names: readonly string[]): Promise<void> {
    const client = await cluster.temporalClient();
    for (const name of names) {
      const { status } = await cluster.waitUntilComplete(name, 120_000);
      const { succeeded, reason, job } = status.session;
      expect({ name, succeeded, reason, runs: site.runs(name) }).toEqual({
        name,
        succeeded: 'true',
        reason: null,
        runs: 1,
      });
      const { events } = await client.workflow.getHandle(job ?? '').fetchHistory();
      const kinds = (events ?? []).flatMap((event) => Object.keys(event));
      expect(kinds.filter((kind) => CANCELLED.includes(kind))).toEqual([]);
    }
  }

  /** The states of pending activities. */
  async function readPending(name: string): Promise<readonly unknown[]> {
    const client = await cluster.temporalClient();
    const { job } = (await cluster.find(name)).status.session;
    const { raw } = await client.workflow.getHandle(job ?? '').describe();
    return (raw.pendingActivities ?? []).map(({ state }) => state);
  }

  test('that are replaced one by one lose no running session, and none that is posted meanwhile', async () => {
    const held = ['held-0', 'held-1'];
    const posted: string[] = [];
    await site.hold(held);
    for (const { api, worker } of replicas) {
      for (const part of [api, worker]) {
        const gone = part.kill('SIGTERM');
        const name = `new-${posted.length}`;
        posted.push(name);
        const accepted = post(name);
        // The exit code would be 1 if it had to be forced.
        expect(await gone).toBe(0);
        await part.start();
        await accepted;
      }
    }
    // A stopped worker gives its activities back, so another can take over at once without waiting for a heartbeat time-out.
    await Promise.all(replicas.map(({ worker }) => worker.kill('SIGTERM')));
    for (const name of held) expect(await readPending(name)).toEqual([SCHEDULED]);
    await Promise.all(replicas.map(({ worker }) => worker.start()));
    site.release(held);
    await expectRunOnce([...held, ...posted]);
  }, 400_000);
});
