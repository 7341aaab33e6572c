import { once } from 'node:events';
import { connect, createServer, type AddressInfo } from 'node:net';
import { inspect } from 'node:util';
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from '@jest/globals';
import { Client } from 'pg';
import { openPostgresStore, type PostgresStoreOptions } from '../../src/store/database/postgres.js';
import { openStore } from '../../src/store/open.js';
import type { Change, Store } from '../../src/store/store.js';
import { describeWithPostgres, startPostgres, type PostgresServer } from '../support/postgres.js';
import { addPlannedSession, aNewSession, at, count } from '../support/store-builders.js';
import { waitFor } from '../support/wait.js';

describeWithPostgres('a PostgreSQL that fails', () => {
  let server: PostgresServer;
  let url: string;
  let stores: Store[];
  beforeAll(async () => {
    server = await startPostgres();
    url = await server.createDatabase();
  });
  beforeEach(() => {
    stores = [];
  });
  afterEach(async () => {
    await Promise.all(stores.map((store) => store.close()));
    await server.query('delete from sessions', url);
  });
  afterAll(() => server.close());

  const open = async (options: Omit<PostgresStoreOptions, 'url'> = {}) => {
    const store = await openPostgresStore({ url, ...options });
    stores.push(store);
    return store;
  };
  const insertSoon = (store: Store, name: string) =>
    waitFor(() => store.sessions.insert(aNewSession(name)));

  test.each([
    ['is stopped', () => server.stop()],
    ['is killed', () => server.kill()],
  ])('that %s is unavailable until it is back, and loses nothing', async (_, end) => {
    const [store, other] = [await open(), await open()];
    const changes = record(store);
    const before = await store.sessions.insert(aNewSession('before'));

    await end();
    const calls = await count([
      store.ping(),
      store.sessions.list({}, { limit: 1 }),
      store.sessions.insert(aNewSession('refused')),
    ]);
    await server.start();

    expect(calls).toEqual({ unavailable: 3 });
    await insertSoon(store, 'after');
    expect(await store.sessions.find('before')).toEqual(before);
    expect(await store.sessions.find('refused')).toBeUndefined();
    await waitFor(() => changes.some(({ kind }) => kind === 'any'));
    changes.length = 0;
    const { jobId } = await insertSoon(other, 'told');
    await waitFor(() => isTold(changes, jobId));
  });

  test('that ends in the middle of many writes keeps each one that was answered', async () => {
    const store = await open();
    const answered: string[] = [];
    const writes = Array.from({ length: 8 }, async (_, writer) => {
      for (let index = 0; ; index += 1) {
        const name = `w${writer}-${index}`;
        await store.sessions.insert(aNewSession(name));
        answered.push(name);
      }
    });
    await waitFor(() => answered.length > 50);

    await server.kill();
    const ends = await count(writes);
    await server.start();

    expect(ends).toEqual({ unavailable: 8 });
    const page = await waitFor(() => store.sessions.list({}, { limit: 100_000 }));
    expect(page.items.map(({ name }) => name)).toEqual(expect.arrayContaining(answered));
  });

  test('that is read-only for a while still answers reads, and takes writes as soon as it can', async () => {
    const store = await open();
    const session = await store.sessions.insert(aNewSession('before'));

    await server.setReadOnly(true);
    await expect(store.sessions.insert(aNewSession('refused'))).rejects.toMatchObject({
      fault: 'unavailable',
      message: expect.stringMatching(/^The database can store nothing: .*read-only/),
    });
    const read = await store.sessions.find('before');
    await server.setReadOnly(false);

    expect(read).toEqual(session);
    await insertSoon(store, 'after');
  });

  test('that is silent is unavailable within the timeouts', async () => {
    const store = await open({ timeouts: { connect: 2_000, answer: 2_000 } });
    await store.ping();
    const thaw = server.freeze();

    const calls = await count([
      store.ping(),
      store.sessions.insert(aNewSession('a')),
      store.sessions.list({}, { limit: 1 }),
    ]);
    thaw();

    expect(calls).toEqual({ unavailable: 3 });
    await insertSoon(store, 'after');
  });

  test('whose pool is exhausted refuses after a while', async () => {
    const store = await open({ poolSize: 1, timeouts: { connect: 2_000 } });
    const release = await lockSessions(url);
    const waiting = store.sessions.insert(aNewSession('waits'));
    await waitFor(() => store.pool?.().used === 1);

    const calls = await count([store.ping(), store.sessions.find('x')]);
    await release();

    expect(calls).toEqual({ unavailable: 2 });
    await waiting;
    await store.ping();
  });

  test('where a lock is held for too long refuses the write', async () => {
    const store = await open({ timeouts: { lock: 300 } });
    const release = await lockSessions(url);

    const calls = await count([store.sessions.insert(aNewSession('a'))]);
    await release();

    expect(calls).toEqual({ unavailable: 1 });
    await store.sessions.insert(aNewSession('a'));
  });

  test('that rolls back one of two transactions in a deadlock has it repeated', async () => {
    const store = await open();
    for (const name of ['a', 'b', 'c']) await store.sessions.insert(aNewSession(name));
    const [first, last] = [await beginDeletion(url, 'b'), await beginDeletion(url, 'c')];
    const deletion = store.sessions.deleteMany({}, { at: at(9) });
    await waitFor(async () => (await countWaiting(server)) === 1);
    const deletionOfA = last.query(`update sessions set deleted_at = 'x' where name = 'a'`);
    await waitFor(async () => (await countWaiting(server)) === 2);

    // Now the store's transaction comes to `c` and completes the circle, so it is the one to find the deadlock.
    await first.query('rollback');
    await deletionOfA;
    await last.query('commit');
    await Promise.all([first.end(), last.end()]);

    expect(await deletion).toEqual(['b']);
  });

  test('that takes no more connections is unavailable', async () => {
    const store = await open();
    await server.query('alter role keelson connection limit 0');
    await endConnections(server);

    await waitFor(async () => (await count([store.ping()]))['unavailable'] === 1);
    const [refusal] = await Promise.allSettled([store.ping()]);
    await server.query('alter role keelson connection limit -1');

    expect(refusal).toMatchObject({ reason: { fault: 'unavailable' } });
    await waitFor(() => store.ping().then(() => true));
  });

  test('that breaks used and idle connections announces afterwards what was missed', async () => {
    const [store, other] = [await open(), await open()];
    await store.ping();
    const changes = record(store);

    await endConnections(server);
    await insertSoon(other, 'missed');
    await waitFor(() => changes.some(({ kind }) => kind === 'any'));

    expect(await waitFor(() => store.sessions.find('missed'))).toMatchObject({
      name: 'missed',
    });
  });

  test('is reported away once for each reason, and back once', async () => {
    let told: string[] = [];
    await open({
      outage: {
        onAway: (error) => told.push((error as Error).message),
        onBack: () => told.push('back'),
      },
    });
    const passOutage = async () => {
      told = [];
      await server.stop();
      await refuseConnections(server.port, 3);
      await server.start();
      await waitFor(() => told.includes('back'));
    };
    for (let round = 0; round < 2; round += 1) {
      await passOutage();
      // First why the server ends its connections, then why it takes no new ones. Other reasons may come in between.
      expect(told[0]).toContain('terminating connection');
      expect(told).toContain('Connection terminated unexpectedly');
      expect(told.at(-1)).toBe('back');
      expect(told).toEqual([...new Set(told)]);
    }
  });

  test('is reported away if it only refuses notices while the store opens', async () => {
    const proxy = await refuseListening(server.port);
    const lines: string[] = [];
    const through = new URL(url);
    through.port = String(proxy.port);
    const store = await openStore(
      { kind: 'postgres', url: through.href },
      { warn: (_fields, message) => void lines.push(message) },
    );
    expect(lines).toEqual(['the database does not answer; trying again until it does']);
    proxy.relent();
    await waitFor(() => lines.length > 1);
    expect(lines.slice(1)).toEqual(['the database answers again']);
    await store.close();
    await proxy.close();
  });

  test('shows its password in no error', async () => {
    const secret = new URL(url).password;
    const wrong = new URL(url);
    wrong.password = `${secret}-wrong`;
    await server.query(`alter role keelson password '${secret}'`);
    const told: unknown[] = [];
    const store = await openStore(
      { kind: 'postgres', url },
      { warn: (fields, message) => void told.push({ fields, message }) },
    );
    stores.push(store);
    // Leaves an idle connection in the pool, which then breaks.
    await store.ping();
    await server.stop();
    const failures = await Promise.allSettled([
      store.ping(),
      openPostgresStore({ url }),
      openPostgresStore({ url: wrong.href }),
    ]);
    await waitFor(() => told.length > 0);
    await server.start();
    failures.push(...(await Promise.allSettled([openPostgresStore({ url: `${url}-missing` })])));

    expect(failures.map(({ status }) => status)).toEqual(failures.map(() => 'rejected'));
    expect(inspect([failures, told], { depth: 10, showHidden: true })).not.toContain(secret);
  });
});

/** Takes the server's port and closes every connection until so many have come. */
async function refuseConnections(port: number, times: number): Promise<void> {
  let refused = 0;
  const deaf = createServer((socket) => {
    // Reads first, because closing a connection with unread data may reset it.
    socket.once('data', () => {
      refused += 1;
      socket.destroy();
    });
  });
  deaf.listen(port, '127.0.0.1');
  await once(deaf, 'listening');
  await waitFor(() => refused >= times);
  deaf.close();
  await once(deaf, 'close');
}

/** A proxy that ends each connection that listens for notices, until it relents. */
async function refuseListening(port: number) {
  let isStrict = true;
  const front = createServer((near) => {
    const far = connect(port, '127.0.0.1');
    const end = () => [near, far].forEach((socket) => socket.destroy());
    for (const socket of [near, far]) socket.on('error', end).on('close', end);
    near.on('data', (data) => {
      if (isStrict && data.includes('listen keelson')) end();
      else far.write(data);
    });
    far.pipe(near);
  }).listen(0, '127.0.0.1');
  await once(front, 'listening');
  return {
    port: (front.address() as AddressInfo).port,
    relent: () => (isStrict = false),
    async close() {
      front.close();
      await once(front, 'close');
    },
  };
}

describeWithPostgres('changes between processes', () => {
  test('carry kind and session, and only those', async () => {
    const server = await startPostgres();
    const url = await server.createDatabase();
    const [store, other] = [await openPostgresStore({ url }), await openPostgresStore({ url })];
    const jobId = await addPlannedSession(other);
    const changes = record(store);

    await other.logs.append(jobId, 'ansible-0', 0, Buffer.from('x'));
    await waitFor(() => changes.length > 0);
    const { jobId: second } = await other.sessions.insert(aNewSession('b'));
    await waitFor(() => isTold(changes, second));

    expect(changes.filter(({ kind }) => kind === 'any')).toEqual([]);
    expect(changes).toContainEqual({ kind: 'wish' });
    expect(isTold(changes, jobId)).toBe(true);
    await Promise.all([store.close(), other.close()]);
    await server.close();
  });
});

function record(store: Store): Change[] {
  const changes: Change[] = [];
  store.subscribe((change) => changes.push(change));
  return changes;
}

function isTold(changes: readonly Change[], jobId: string): boolean {
  return changes.some((change) => change.kind === 'session' && change.jobId === jobId);
}

/** Returns a function that releases the lock. */
async function lockSessions(url: string): Promise<() => Promise<void>> {
  const client = new Client({ connectionString: url });
  await client.connect();
  await client.query('begin; lock table sessions in exclusive mode');
  return () => client.end();
}

/** Begins a transaction of somebody else that has deleted this session, and leaves it open. */
async function beginDeletion(url: string, name: string): Promise<Client> {
  const superuser = new URL(url);
  superuser.username = 'postgres';
  const client = new Client({ connectionString: superuser.href });
  await client.connect();
  await client.query(`set deadlock_timeout = '5min'`);
  await client.query('begin');
  await client.query(`update sessions set deleted_at = 'x' where name = $1`, [name]);
  return client;
}

async function countWaiting(server: PostgresServer): Promise<number> {
  const rows = await server.query(
    `select pid from pg_stat_activity where wait_event_type = 'Lock'`,
  );
  return rows.length;
}

async function endConnections(server: PostgresServer): Promise<void> {
  await server.query(
    `select pg_terminate_backend(pid) from pg_stat_activity where usename = 'keelson'`,
  );
}
