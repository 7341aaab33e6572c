import { createHash } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { findProcesses } from '../../scripts/lib/processes.mjs';
import { startCluster, type Cluster, type Replica } from '../support/cluster.js';
import { runCommand, runPostgresProgram } from '../support/commands.js';
import { expectLeftToEnd, expectResults, toNames } from '../support/light-results.js';
import { createLightSite, type LightSite } from '../support/light-site.js';
import { describeWithPostgres, startPostgres, type PostgresServer } from '../support/postgres.js';
import { waitFor } from '../support/wait.js';

const PHASES = ['git-clone-0', 'inventory', 'ansible-0'];
/** So many that one machine rarely takes them all. If it does, more are posted. */
const AT_ONCE = 4;
/** Sessions of each kind when the database is restored. */
const RESTORED = process.env['ENDINGS'] === 'all' ? 10 : 3;

describeWithPostgres('two APIs, two workers on machines of their own, one PostgreSQL', () => {
  let server: PostgresServer;
  let database: string;
  let cluster: Cluster;
  let replicas: readonly Replica[];
  let site: LightSite;
  let names: readonly string[] = [];

  beforeAll(async () => {
    server = await startPostgres();
    database = await server.createDatabase();
    const environment = {
      DATABASE_URL: database,
      MASTER_KEY_FILE: join(server.directory, 'master.key'),
      SWEEP_INTERVAL: '1',
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

  const listJobs = (machine: number) =>
    readdirSync(join(cluster.directory, machine === 0 ? 'data' : 'data-2', 'jobs'));
  const findMachine = (name: string) =>
    [0, 1].findIndex((machine) => listJobs(machine).some((job) => job.startsWith(`cfs-${name}-`)));

  /** Posts through both APIs in turn until each machine has sessions that wait in their playbooks. */
  async function holdOnBoth(): Promise<void> {
    while (names.length === 0 || new Set(names.map(findMachine)).size < 2) {
      const more = Array.from({ length: AT_ONCE }, (_, index) => `s${names.length + index}`);
      await site.hold(
        more,
        replicas.map(({ url }) => url),
      );
      names = [...names, ...more];
    }
  }

  const readLog = async (replica: Replica | undefined, name: string, phase: string) => {
    const response = await fetch(`${replica?.url}/v3/sessions/${name}/logs?phase=${phase}`);
    return sha256(new Uint8Array(await response.arrayBuffer()));
  };
  const readJobLog = (name: string, phase: string) => {
    const machine = findMachine(name);
    const job = listJobs(machine).find((each) => each.startsWith(`cfs-${name}-`)) ?? '';
    const data = machine === 0 ? 'data' : 'data-2';
    return sha256(readFileSync(join(cluster.directory, data, 'jobs', job, 'logs', `${phase}.log`)));
  };

  async function expectWhole(name: string): Promise<void> {
    await expectResults(cluster, site, [name]);
    for (const phase of PHASES) {
      const job = readJobLog(name, phase);
      const stored = await Promise.all(replicas.map((each) => readLog(each, name, phase)));
      expect([name, phase, ...stored]).toEqual([name, phase, job, job]);
    }
  }

  test('a log can be followed on either API, whichever one accepted the session and gets its log', async () => {
    await holdOnBoth();
    const ended = [0, 1].map(
      (machine) => names.find((name) => findMachine(name) === machine) ?? '',
    );
    const followers = ended.flatMap((name) => replicas.map((each) => follow(each.url, name)));
    await Promise.all(followers.map(({ untilShown }) => untilShown('PLAY [localhost]')));

    site.release(ended);
    const bodies = await Promise.all(followers.map(({ body }) => body));

    const expected = ended.flatMap((name) => {
      const log = readJobLog(name, 'ansible-0');
      return [log, log];
    });
    expect(bodies.map(sha256)).toEqual(expected);
    for (const name of ended) await expectWhole(name);
    names = names.filter((name) => !ended.includes(name));
  });

  test('the death of a worker and a restart of PostgreSQL only cost time', async () => {
    const [first, ...others] = names;
    await cluster.worker.kill();
    const restarted = cluster.worker.start();
    site.release([first ?? '']);
    await restarted;
    await server.stop();
    site.release(others);
    await server.start();

    for (const name of names) await expectWhole(name);
  }, 240_000);

  const signalAll = (part: 'api' | 'worker', act: 'kill' | 'start') =>
    Promise.all(
      replicas.map(({ [part]: one }) => (act === 'start' ? one.start() : one.kill('SIGTERM'))),
    );

  async function expectClosed(jobIds: readonly string[]): Promise<void> {
    const client = await cluster.temporalClient();
    const isOpen = async (jobId: string) =>
      (await client.workflow.getHandle(jobId).describe()).status.name === 'RUNNING';
    await waitFor(async () => !(await Promise.all(jobIds.map(isOpen))).includes(true), {
      timeoutMs: 60_000,
      what: 'every workflow to end',
    });
  }

  test('no session is killed whose record vanishes, or is older than its job after a restore', async () => {
    const [lost, restored] = [toNames('lost', RESTORED), toNames('restored', RESTORED)];
    const [last = '', ...others] = lost;
    const urls = replicas.map(({ url }) => url);
    const directories = ['data', 'data-2'].map((data) => join(cluster.directory, data));
    // In the backup the sessions are started in Temporal, but no worker has run them.
    await signalAll('worker', 'kill');
    const holding = site.hold(restored, urls);
    const started = `select 1 from sessions where name like 'restored-%' and dispatched = 'started'`;
    await waitFor(async () => (await server.query(started, database)).length === RESTORED, {
      what: 'all to be started',
    });
    const file = join(server.directory, 'keelson.dump');
    await runPostgresProgram('pg_dump', '--format=custom', `--file=${file}`, database);
    await signalAll('worker', 'start');
    await Promise.all([holding, site.hold(lost, urls)]);

    const vanish = `delete from sessions where name like 'lost-%' returning job_id, name`;
    const rows = await server.query(vanish, database);
    const toJobs = (names: readonly string[]) =>
      rows.filter((row) => names.includes(String(row['name']))).map((row) => String(row['job_id']));
    site.release(others);
    await expectLeftToEnd(site, directories, others);
    await expectClosed(toJobs(others));

    await Promise.all([signalAll('api', 'kill'), signalAll('worker', 'kill')]);
    const name = new URL(database).pathname.slice(1);
    await server.query(`drop database ${name}`);
    await server.query(`create database ${name} owner keelson`);
    await runPostgresProgram('pg_restore', '--exit-on-error', `--dbname=${database}`, file);
    const report = await runCommand('restored', ['--json'], cluster.environment);
    expect(report).toBe(`${JSON.stringify({ sessions: restored })}\n`);
    await signalAll('worker', 'start');
    await signalAll('api', 'start');
    const outputs = replicas.map(({ worker }) => worker.output()).join('\n');
    expect(outputs).toMatch(
      new RegExp(`"${toJobs([last])[0] ?? ''}".*a job without a record runs here`),
    );
    site.release([last, ...restored]);
    for (const each of restored) await expectWhole(each);
    await expectLeftToEnd(site, directories, [last]);
    await expectClosed(toJobs([last]));
  }, 400_000);

  test('new sessions run as before, and nothing is left behind', async () => {
    await site.hold(['after'], [replicas[1]?.url ?? '']);
    site.release(['after']);
    await expectWhole('after');

    const rows = await server.query(
      `select job_id from staged_files union select job_id from resources
        union select job_id from sessions where state <> 'complete'`,
      database,
    );
    expect(rows).toEqual([]);
    const marks = [0, 1].flatMap(listJobs).map((job) => `KEELSON_JOB=${job}`);
    expect(marks.length).toBeGreaterThan(AT_ONCE);
    expect(findProcesses({ marks })).toEqual([]);
    const outputs = replicas.flatMap(({ api, worker }) => [api.output(), worker.output()]);
    expect(outputs.flatMap((output) => output.match(/^.*"level":50.*$/gm) ?? [])).toEqual([]);
  });
});

/** Reads the log as it arrives. */
function follow(url: string, name: string) {
  const parts: Uint8Array[] = [];
  const read = async () => {
    const response = await fetch(`${url}/v3/sessions/${name}/logs?phase=ansible-0&follow=true`);
    for await (const part of response.body ?? []) parts.push(part as Uint8Array);
    return Buffer.concat(parts);
  };
  const body = read();
  return {
    body,
    untilShown: (text: string) =>
      waitFor(() => Buffer.concat(parts).includes(text), {
        what: `"${text}" in the log of ${name} at ${url}`,
      }),
  };
}

function sha256(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex');
}
