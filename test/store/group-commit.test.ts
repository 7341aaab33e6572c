import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import type { Driver } from 'kysely';
import type { Configuration } from '../../src/core/configuration.js';
import { DEFAULT_OPTIONS } from '../../src/core/options.js';
import { createStore } from '../../src/store/create-store.js';
import {
  createSqliteDialect,
  openConnections,
  type SqliteConnections,
} from '../../src/store/database/sqlite-dialect.js';
import type { Change, Store } from '../../src/store/store.js';
import { aRequest } from '../support/session-builders.js';
import { aNewSession, at, count } from '../support/store-builders.js';

/** https://www.sqlite.org/rescode.html */
const FULL = 13;

let directory: string;
let connections: SqliteConnections;
let store: Store;
/** Set once the migrations are done. */
let onCommit: (() => void) | undefined;

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'keelson-group-'));
  connections = await openConnections(join(directory, 'keelson.db'));
  const dialect = createSqliteDialect(connections);
  const createDriver = () => watchCommits(dialect.writer.createDriver());
  store = await createStore({ ...dialect, writer: { ...dialect.writer, createDriver } });
});
afterEach(async () => {
  onCommit = undefined;
  await store.close();
  await rm(directory, { recursive: true });
});

function watchCommits(driver: Driver): Driver {
  const commit = driver.commitTransaction.bind(driver);
  driver.commitTransaction = async (connection) => {
    onCommit?.();
    await commit(connection);
  };
  return driver;
}

function countCommits(): () => number {
  let commits = 0;
  onCommit = () => {
    commits += 1;
  };
  return () => commits;
}

const insertAll = (names: readonly string[]) =>
  names.map((name) => store.sessions.insert(aNewSession(name)).then(() => 'stored'));

describe('changes that come at the same time', () => {
  test('share commits', async () => {
    const commits = countCommits();

    await Promise.all(insertAll(Array.from({ length: 250 }, (_, index) => `s${index}`)));

    expect(commits()).toBe(3);
  });

  test('see each other in the order in which they came', async () => {
    const [inserted, deleted, again] = await Promise.allSettled([
      store.sessions.insert(aNewSession('a')),
      store.sessions.requestDelete('a', { at: at(1) }),
      store.sessions.insert({ ...aNewSession('a'), jobId: 'cfs-a-00000002' }),
    ]);

    expect([inserted.status, deleted.status, again.status]).toEqual(Array(3).fill('fulfilled'));
    expect((await store.sessions.find('a'))?.jobId).toBe('cfs-a-00000002');
  });

  test('succeed although one of them fails', async () => {
    const commits = countCommits();

    const counts = await count(insertAll(['a', 'b', 'a', 'c']));

    expect(counts).toEqual({ stored: 3, conflict: 1 });
    expect(commits()).toBe(1);
    const { items } = await store.sessions.list({}, { limit: 10 });
    expect(items.map(({ name }) => name)).toEqual(['a', 'b', 'c']);
  });

  test('share a commit although every second one fails', async () => {
    const commits = countCommits();
    const patchAbsent = () => store.components.patch([{ id: 'x1' }], at(0), () => 'stored');

    const counts = await count(
      ['a', 'b', 'c'].flatMap((name) => [...insertAll([name]), patchAbsent().then(() => 'stored')]),
    );

    expect(counts).toEqual({ stored: 3, missing: 3 });
    expect(commits()).toBe(1);
  });

  test('undo everything of one that fails half-way, and nothing else', async () => {
    const before = store.sessions.insert(aNewSession('a'));
    const failed = store.options.patch({ defaultPageSize: 7, defaultPlaybook: 7n as never });
    const after = store.sessions.insert(aNewSession('b'));

    await expect(failed).rejects.toThrow(TypeError);

    expect([(await before).name, (await after).name]).toEqual(['a', 'b']);
    expect((await store.options.get()).defaultPageSize).toBe(DEFAULT_OPTIONS.defaultPageSize);
  });

  test('reach listeners after the commit, and only if they did not fail', async () => {
    const changes: Change[] = [];
    let toldBefore: number | undefined;
    store.subscribe((change) => changes.push(change));
    onCommit = () => (toldBefore = changes.length);

    await Promise.allSettled(insertAll(['a', 'a', 'b']));
    await Promise.resolve();

    expect(toldBefore).toBe(0);
    expect(changes.filter(({ kind }) => kind === 'session')).toEqual([
      { kind: 'session', jobId: 'cfs-a-0123abcd' },
      { kind: 'session', jobId: 'cfs-b-0123abcd' },
    ]);
  });

  test('all fail if the commit fails, also one that was refused because of another', async () => {
    const changes: Change[] = [];
    store.subscribe((change) => changes.push(change));
    onCommit = () => {
      throw Object.assign(new Error('database or disk is full'), { errcode: FULL });
    };

    const counts = await count(insertAll(['a', 'b', 'a']));

    onCommit = undefined;
    expect(counts).toEqual({ unavailable: 3 });
    expect(changes).toEqual([]);
    expect((await store.sessions.list({}, { limit: 10 })).items).toEqual([]);
    await store.sessions.insert(aNewSession('a'));
  });

  test('leave nothing in the cache of a configuration that was not committed', async () => {
    const desiredOf = async () =>
      (await store.components.find('x1'))?.desiredState.map(({ commit }) => commit);
    const put = (id: string) =>
      store.components.put([{ id, desiredConfig: 'c' }], at(0), () => 'stored');
    await put('x1');
    onCommit = () => {
      throw Object.assign(new Error('database or disk is full'), { errcode: FULL });
    };

    const lost = await count([
      store.configurations.save(aConfiguration('c', '1'.repeat(40))),
      put('x2'),
    ]);
    onCommit = undefined;
    await store.configurations.save(aConfiguration('c', '2'.repeat(40)));

    expect(lost).toEqual({ unavailable: 2 });
    expect(await desiredOf()).toEqual(['2'.repeat(40)]);
  });

  test('fail while the disk is full, and succeed again afterwards', async () => {
    const large = {
      ...aNewSession('a'),
      request: aRequest({ name: 'a', tags: { a: 'x'.repeat(1e6) } }),
    };
    connections.writer.exec('PRAGMA max_page_count = 1');

    const counts = await count([
      store.sessions.insert(large),
      store.sessions.insert({ ...large, jobId: 'cfs-a-00000002' }),
    ]);

    connections.writer.exec('PRAGMA max_page_count = 1000000');
    expect(counts).toEqual({ unavailable: 2 });
    expect((await store.sessions.insert(aNewSession('a'))).name).toBe('a');
  });

  test('are committed before the store is closed', async () => {
    const inserted = store.sessions.insert(aNewSession('a'));

    await store.close();

    expect((await inserted).name).toBe('a');
  });
});

function aConfiguration(name: string, commit: string): Configuration {
  const layer = { cloneUrl: 'https://git.example.com/a.git', playbook: 'a.yml', commit };
  return { name, lastUpdated: at(0), layers: [layer] };
}
