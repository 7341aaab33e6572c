import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { startCluster, type Cluster, type Replica } from '../support/cluster.js';
import { createLightSite, type LightSite } from '../support/light-site.js';
import { describeWithPostgres, startPostgres, type PostgresServer } from '../support/postgres.js';
import { waitFor } from '../support/wait.js';

/** So many sessions run at any time while parts are replaced. */
const CLIENTS = 4;
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

  /** Clients that each post a session, wait for its end, and post the next one, until they are stopped. Returns all names. */
  function startLoad(): () => Promise<readonly string[]> {
    let isOver = false;
    const names: string[] = [];
    const work = async (client: number) => {
      for (let turn = 0; !isOver; turn += 1) {
        const name = `load-${client}-${turn}`;
        names.push(name);
        await post(name);
        await cluster.waitUntilComplete(name, 120_000);
      }
    };
    const clients = Array.from({ length: CLIENTS }, (_, client) => work(client));
    for (const client of clients) client.catch(() => undefined);
    return async () => {
      isOver = true;
      await Promise.all(clients);
      return names;
    };
  }

  /** As the job has it, on whichever machine that was. */
  async function expectWholeLog(name: string, job: string): Promise<void> {
    const files = ['data', 'data-2'].map((data) =>
      join(cluster.directory, data, 'jobs', job, 'logs', 'ansible-0.log'),
    );
    const [file = ''] = files.filter((each) => existsSync(each));
    expect(await cluster.log(name, 'ansible-0')).toBe(readFileSync(file, 'utf8'));
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
      await expectWholeLog(name, job ?? '');
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
    const stopLoad = startLoad();
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
    const load = await stopLoad();
    // A stopped worker gives its activities back, so another can take over at once without waiting for a heartbeat time-out.
    await Promise.all(replicas.map(({ worker }) => worker.kill('SIGTERM')));
    for (const name of held) expect(await readPending(name)).toEqual([SCHEDULED]);
    await Promise.all(replicas.map(({ worker }) => worker.start()));
    site.release(held);
    await expectRunOnce([...held, ...posted, ...load]);
  }, 400_000);
});
