import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { startCluster, type Cluster, type Replica } from '../support/cluster.js';
import { createRepository, type Repository } from '../support/git-repository.js';
import { createLightSite, type LightSite } from '../support/light-site.js';
import { describeWithPostgres, startPostgres, type PostgresServer } from '../support/postgres.js';
import { waitFor } from '../support/wait.js';

/** Set by `npm run upgrade:all`. Without it, each part is replaced by one of the same version. */
const OLDER = process.env['OLDER_DIST'];
/** The `dist` of each upgrade or rollback in turn. */
const TURNS = OLDER === undefined ? [undefined] : [undefined, OLDER, undefined];
/** So many sessions run at any time while parts are replaced. */
const CLIENTS = 4;
const BROKEN = `- hosts: localhost
  connection: local
  gather_facts: false
  tasks:
    - fail: {msg: broken on purpose}
`;
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
    cluster = await startCluster({
      ...{ hosts: ['node1'], environment },
      ...(OLDER === undefined ? {} : { dist: OLDER }),
    });
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

  /** The states of pending activities. */
  async function readPending(name: string): Promise<readonly unknown[]> {
    const client = await cluster.temporalClient();
    const { job } = (await cluster.find(name)).status.session;
    const { raw } = await client.workflow.getHandle(job ?? '').describe();
    return (raw.pendingActivities ?? []).map(({ state }) => state);
  }

  test(
    'that are replaced one by one lose no running session, and none that is posted meanwhile',
    async () => {
      const held = ['held-0', 'held-1'];
      const posted: string[] = [];
      await site.hold(held);
      const stopLoad = startLoad();
      for (const dist of TURNS) {
        cluster.install(dist);
        for (const part of replicas.flatMap(({ api, worker }) => [api, worker])) {
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
      await expectRunOnce(cluster, site, [...held, ...posted, ...load]);
    },
    400_000 * TURNS.length,
  );
});

if (OLDER !== undefined) {
  describe('API and worker with SQLite', () => {
    let cluster: Cluster;
    let light: LightSite;
    let broken: Repository;
    beforeAll(async () => {
      cluster = await startCluster({ hosts: ['node1'], dist: OLDER });
      light = await createLightSite(cluster);
      broken = createRepository({ files: { 'site.yml': BROKEN } });
      const layer = { clone_url: broken.url, commit: broken.commit, playbook: 'site.yml' };
      await cluster.configure('broken', [layer]);
      await cluster.ask('PATCH', '/v3/options', { max_running_sessions: 2 });
    });
    afterAll(async () => {
      await cluster.close();
      light.close();
      broken.remove();
    });

    const submit = (name: string, request = {}) =>
      cluster.submit(name, { configuration_name: 'broken', ...request });
    const whenShown = (name: string, member: 'held_until' | 'message') =>
      waitFor(async () => (await cluster.find(name)).status.session[member] !== null, {
        what: `${name} to show ${member}`,
      });

    test.each([...TURNS.entries()])(
      'go on with sessions in every state, turn %i',
      async (turn, dist) => {
        const name = (kind: string) => `${kind}-${turn}`;
        await light.hold([name('running')]);
        await submit(name('held'), { debug_on_failure: true });
        await whenShown(name('held'), 'held_until');
        for (const kind of ['queued', 'cancelled']) await submit(name(kind));
        await whenShown(name('cancelled'), 'message');
        await cluster.worker.kill('SIGTERM');
        await submit(name('unseen'));
        await cluster.ask('POST', `/v3/sessions/${name('cancelled')}/cancel`);
        await cluster.api.kill('SIGTERM');

        cluster.install(dist);
        await Promise.all([cluster.api.start(), cluster.worker.start()]);
        await cluster.ask('POST', `/v3/sessions/${name('held')}/release`);
        light.release([name('running')]);
        await expectRunOnce(cluster, light, [name('running')]);
        for (const kind of ['held', 'queued', 'cancelled', 'unseen']) {
          const { reason } = (await cluster.waitUntilComplete(name(kind))).status.session;
          const expected = kind === 'cancelled' ? 'CANCELLED' : 'TASK_FAILED';
          expect({ kind, reason }).toEqual({ kind, reason: expected });
        }
      },
    );
  });
}

/** As the job has it, on whichever machine that was. */
async function expectWholeLog(cluster: Cluster, name: string, job: string): Promise<void> {
  const files = ['data', 'data-2'].map((data) =>
    join(cluster.directory, data, 'jobs', job, 'logs', 'ansible-0.log'),
  );
  const [file = ''] = files.filter((each) => existsSync(each));
  expect(await cluster.log(name, 'ansible-0')).toBe(readFileSync(file, 'utf8'));
}

async function expectRunOnce(
  cluster: Cluster,
  site: LightSite,
  names: readonly string[],
): Promise<void> {
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
    await expectWholeLog(cluster, name, job ?? '');
    const { events } = await client.workflow.getHandle(job ?? '').fetchHistory();
    const kinds = (events ?? []).flatMap((event) => Object.keys(event));
    expect(kinds.filter((kind) => CANCELLED.includes(kind))).toEqual([]);
  }
}
