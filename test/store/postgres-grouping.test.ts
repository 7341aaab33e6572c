import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from '@jest/globals';
import { gzipSync } from 'node:zlib';
import { Client } from 'pg';
import type { Configuration } from '../../src/core/configuration.js';
import { openPostgresStore } from '../../src/store/database/postgres.js';
import type { Store } from '../../src/store/store.js';
import { describeWithPostgres, startPostgres, type PostgresServer } from '../support/postgres.js';
import { addPlannedSession, aNewSession, at, count, readAll } from '../support/store-builders.js';
import { waitFor } from '../support/wait.js';

/** So long that no lock that a test holds on purpose times out, however slow the machine is. */
const PATIENT = { lock: 60_000, statement: 60_000, answer: 60_000 };
/** Text that PostgreSQL cannot store. */
const NO_TEXT = 'a\0b';

describeWithPostgres('what comes to PostgreSQL at the same time', () => {
  let server: PostgresServer;
  let url: string;
  let store: Store;
  beforeAll(async () => {
    server = await startPostgres();
    url = await server.createDatabase();
  });
  beforeEach(async () => {
    store = await openPostgresStore({ url, timeouts: PATIENT });
  });
  afterEach(async () => {
    await store.close();
    await server.query('delete from sessions; delete from configurations', url);
  });
  afterAll(() => server.close());

  const countCommitted = async (table: string, mark: string) => {
    const [row] = await server.query(`select count(distinct ${mark}) as count from ${table}`, url);
    return Number(row?.['count']);
  };

  test('is stored with its tags, in few transactions', async () => {
    const names = Array.from({ length: 90 }, (_, index) => `s${index}`);

    const sessions = await Promise.all(
      names.map((name) => store.sessions.insert(aNewSession(name, { tags: { is: name } }))),
    );

    expect(sessions.map(({ name }) => name)).toEqual(names);
    expect(await countCommitted('sessions', 'xmin::text')).toBeLessThanOrEqual(3);
    const found = await store.sessions.list({ tags: { is: 's7' } }, { limit: 10 });
    expect(found.items).toEqual([sessions[7]]);
  });

  test('takes each name once, for the first that came', async () => {
    const inserts = Array.from({ length: 20 }, (_, index) =>
      store.sessions.insert({ ...aNewSession('a'), jobId: `cfs-a-${index}` }),
    );

    expect(await count(inserts)).toEqual({ '[object Object]': 1, conflict: 19 });
    expect((await store.sessions.find('a'))?.jobId).toBe('cfs-a-0');
    const twice = [aNewSession('b'), aNewSession('b')].map((session) =>
      store.sessions.insert(session),
    );
    expect(await count(twice)).toEqual({ '[object Object]': 1, conflict: 1 });
  });

  test('is stored although one of it cannot be', async () => {
    const calls = await count([
      store.sessions.insert(aNewSession('a')).then(({ name }) => name),
      store.sessions.insert(aNewSession('b', { tags: { key: NO_TEXT } })),
      store.sessions.insert(aNewSession('c', { tags: { key: 'd' } })).then(({ name }) => name),
    ]);

    expect(calls).toEqual({ a: 1, invalid: 1, c: 1 });
    expect(await store.sessions.find('b')).toBeUndefined();
    expect((await store.sessions.list({ tags: { key: 'd' } }, { limit: 9 })).items).toHaveLength(1);
  });

  test('is refused as a whole when its connection dies, and nothing of it is stored', async () => {
    const blocker = new Client({ connectionString: url });
    await blocker.connect();
    await blocker.query('begin; lock table session_tags');
    const names = Array.from({ length: 20 }, (_, index) => `s${index}`);
    const calls = count(
      names.map((name) => store.sessions.insert(aNewSession(name, { tags: { a: 'b' } }))),
    );
    await waitFor(() => endWaiting(server));

    expect(await calls).toEqual({ unavailable: 20 });
    await blocker.query('rollback');
    await blocker.end();
    expect(await countCommitted('sessions', 'job_id')).toBe(0);
    await waitFor(() => store.sessions.insert(aNewSession('s0')));
  });

  test('does not wait for a lock that only one of it needs', async () => {
    await store.sessions.insert(aNewSession('held'));
    await store.configurations.save(aConfiguration('held', '0'));
    const jobIds = await Promise.all(['a', 'b'].map((name) => addPlannedSession(store, name)));
    const release = await hold(
      url,
      `update sessions set phase = 'x' where name = 'held'`,
      `update configurations set tenant = 'x' where name = 'held'`,
      `update phases set state = 'running' where job_id = '${jobIds[0]}'`,
    );
    const append = (jobId = '') =>
      store.logs.append(jobId, 'ansible-0', 0, Buffer.from('x'), gzipSync('x'));
    const insert = (name: string) =>
      store.sessions.insert({ ...aNewSession(name), jobId: `cfs-${name}-00000002` });
    const held = [
      insert('held').catch((error: unknown) => (error as { fault: string }).fault),
      store.configurations.save(aConfiguration('held', '1')).then(() => 'saved'),
      append(jobIds[0]).then(({ kind }) => kind),
    ];
    const others = [
      insert('c').then(() => 'inserted'),
      store.configurations.save(aConfiguration('c', '1')).then(() => 'saved'),
      append(jobIds[1]).then(({ kind }) => kind),
    ];
    const firstOfHeld = Promise.race(held);

    expect(await Promise.race([Promise.all(others), firstOfHeld])).toEqual([
      'inserted',
      'saved',
      'stored',
    ]);
    await release();
    expect(await Promise.all(held)).toEqual(['conflict', 'saved', 'stored']);
    expect((await store.configurations.find('held'))?.configuration.description).toBe('1');
  });

  test('patches components together, except for one that is locked and one that cannot be stored', async () => {
    const ids = Array.from({ length: 20 }, (_, index) => `x${index}`);
    const now = at(0);
    await store.components.put(
      ids.map((id) => ({ id })),
      now,
      () => undefined,
    );
    const patch = (id: string, desiredConfig = 'compute') =>
      store.components.patch([{ id, desiredConfig }], now, (component) => component.id);
    const release = await hold(url, `update components set error_count = 5 where id = 'x7'`);
    const [held, bad] = [patch('x7'), patch('x8', NO_TEXT)];
    const others = ids.filter((id) => id !== 'x7' && id !== 'x8').map((id) => patch(id));

    expect(await Promise.race([Promise.all(others), held])).toHaveLength(18);
    expect(await count([bad])).toEqual({ invalid: 1 });
    await release();
    expect(await held).toEqual(['x7']);
    const { items } = await store.components.list({ configName: 'compute' }, { limit: 30 });
    expect(items).toHaveLength(19);
    await Promise.all(ids.map((id) => patch(id, 'other')));
    expect(await countCommitted('components', 'xmin::text')).toBeLessThanOrEqual(2);
    await server.query('delete from components', url);
  });

  test('gives a place that becomes free while a claim joins the queue to that session', async () => {
    const other = await openPostgresStore({ url, timeouts: PATIENT });
    const idOf = (name: string) => aNewSession(name).jobId;
    await store.options.patch({ maxRunningSessions: 1 });
    for (const name of ['a', 'b']) await store.sessions.insert(aNewSession(name));
    await store.sessions.claim(idOf('a'), { at: at(0) });
    // Stops a claim that has found no free place, just before it joins the queue.
    await server.query(
      `create function stand_still() returns trigger language plpgsql as
        $$ begin perform pg_advisory_xact_lock(1); return new; end $$;
      create trigger stand_still before update of queued_at on sessions
        for each row execute function stand_still()`,
      url,
    );
    const release = await hold(url, 'select pg_advisory_xact_lock(1)');
    const claim = store.sessions.claim(idOf('b'), { at: at(1) });
    await waitFor(async () => (await countWaiting(server)) === 1);
    let isOver = false;
    const end = other.sessions
      .recordOutcome(idOf('a'), { succeeded: 'true' }, at(2))
      .finally(() => (isOver = true));
    await waitFor(async () => isOver || (await countWaiting(server)) === 2);
    await release();
    await Promise.all([claim, end]);
    await server.query('drop trigger stand_still on sessions; drop function stand_still', url);

    expect(await store.sessions.get(idOf('b'))).toMatchObject({ admittedAt: at(2) });
    await store.options.patch({ maxRunningSessions: 0 });
    await other.close();
  });

  test('is found by key, and only a lookup of an impossible key fails', async () => {
    await Promise.all(['a', 'b'].map((name) => store.sessions.insert(aNewSession(name))));

    const found = await Promise.allSettled(
      ['b', 'a', 'c', NO_TEXT, 'b'].map((name) => store.sessions.find(name)),
    );

    expect(found).toMatchObject([
      { value: { name: 'b' } },
      { value: { name: 'a' } },
      { value: undefined },
      { reason: { fault: 'invalid' } },
      { value: { name: 'b' } },
    ]);
  });

  test('is read as it is at the time, not as an earlier read of others found it', async () => {
    const reads: Promise<unknown>[] = [];
    for (let index = 0; index < 20; index += 1) {
      reads.push(store.sessions.find('other'));
      const { name } = await store.sessions.insert(aNewSession(`s${index}`));
      expect(await store.sessions.find(name)).toBeDefined();
      await store.options.patch({ defaultPageSize: index + 1 });
      expect((await store.options.get()).defaultPageSize).toBe(index + 1);
    }
    await Promise.all(reads);
  });

  test('leaves the last PUT of each configuration, each with a version of its own', async () => {
    const puts = Array.from({ length: 60 }, (_, index) =>
      store.configurations.save(aConfiguration(`c${index % 3}`, `${index}`)),
    );
    await Promise.all(puts);

    const stored = await Promise.all(['c0', 'c1', 'c2'].map((n) => store.configurations.find(n)));
    expect(stored.map((each) => each?.configuration.description)).toEqual(['57', '58', '59']);
    expect(new Set(stored.map((each) => each?.version)).size).toBe(3);
    expect(await countCommitted('configurations', 'xmin::text')).toBeLessThanOrEqual(2);
  });

  test('leaves behind no use of a source from a configuration just stored under the same name', async () => {
    const source = { name: 'site', cloneUrl: 'https://git/a', secretName: 's', lastUpdated: at(0) };
    await store.sources.insert(source);
    const release = await hold(
      url,
      `insert into configurations (name, version, document) values ('c', 1, '{}')`,
      `insert into configuration_sources (configuration, source) values ('c', 'site')`,
    );
    const saved = store.configurations.save(aConfiguration('c', '1'));
    const isWaiting = `select 1 from pg_locks where not granted`;
    await waitFor(async () => (await server.query(isWaiting, url)).length > 0);
    await release('commit');
    await saved;

    expect((await store.configurations.find('c'))?.configuration.description).toBe('1');
    await store.sources.remove('site');
  });

  test('appends to several logs, to each in its order, and refuses only what does not fit', async () => {
    const jobIds = await Promise.all(
      Array.from({ length: 30 }, (_, index) => addPlannedSession(store, `s${index}`)),
    );
    const append = (jobId = '', offset: number, text: string) =>
      store.logs.append(jobId, 'ansible-0', offset, Buffer.from(text), gzipSync(text));
    const some = 'x'.repeat(100);

    const first = jobIds.map((jobId) => append(jobId, 0, some));
    const again = append(jobIds[3], 0, some);
    const ahead = append(jobIds[4], 500, some);
    const nowhere = append('cfs-none-0123abcd', 0, some);

    expect(await count(first.map((call) => call.then(({ kind }) => kind)))).toEqual({ stored: 30 });
    expect(await again).toEqual({ kind: 'stored', end: 100 });
    expect((await ahead).kind).toBe('mismatch');
    expect(await count([nowhere])).toEqual({ missing: 1 });
    const lines = ['a', 'b', 'c'].map((line) =>
      store.logs.appendLine(jobIds[5] ?? '', 'ansible-0', line),
    );
    await Promise.all(lines);
    const log = await readAll(store.logs.read(jobIds[5] ?? '', 'ansible-0', 0));
    expect(log.slice(0, 100)).toBe(some);
    expect(log.slice(100).split('\n').sort()).toEqual(['', 'a', 'b', 'c']);
    expect(await countCommitted('log_chunks', 'xmin::text')).toBeLessThanOrEqual(10);
  });
});

async function countWaiting(server: PostgresServer): Promise<number> {
  const rows = await server.query(
    `select pid from pg_stat_activity where wait_event_type = 'Lock'`,
  );
  return rows.length;
}

/** Ends connections that wait for a lock. Returns whether there were any. */
async function endWaiting(server: PostgresServer): Promise<boolean> {
  const ended = await server.query(
    `select pg_terminate_backend(pid) from pg_stat_activity where wait_event_type = 'Lock'`,
  );
  return ended.length > 0;
}

type Release = (end?: 'rollback' | 'commit') => Promise<void>;

/** Runs the statements in a transaction and leaves it open. Returns a function that ends it. */
async function hold(url: string, ...statements: readonly string[]): Promise<Release> {
  const client = new Client({ connectionString: url });
  await client.connect();
  await client.query('begin');
  for (const statement of statements) await client.query(statement);
  return async (end = 'rollback') => {
    await client.query(end);
    await client.end();
  };
}

function aConfiguration(name: string, description: string): Configuration {
  return { name, description, lastUpdated: at(0), layers: [] };
}
