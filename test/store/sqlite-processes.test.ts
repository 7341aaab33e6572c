import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { promisify } from 'node:util';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { createSqliteDialect } from '../../src/store/database/sqlite-dialect.js';
import { openSqliteStore } from '../../src/store/database/sqlite.js';
import type { Change } from '../../src/store/store.js';
import { aRequest } from '../support/session-builders.js';
import { aNewSession, at, count } from '../support/store-builders.js';
import { waitFor } from '../support/wait.js';

const module = new URL('../../dist/store/database/sqlite.js', import.meta.url).href;

let directory: string;
let path: string;
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'keelson-processes-'));
  path = join(directory, 'keelson.db');
});
afterEach(() => rm(directory, { recursive: true }));

/** Runs `body`, with an open `store`, in another process. Returns what it prints. */
async function runProcess(body: string): Promise<string> {
  const { stdout } = await promisify(execFile)(process.execPath, toArguments(body));
  return stdout.trim();
}

function toArguments(body: string): string[] {
  const script = `
    const { openSqliteStore } = await import(${JSON.stringify(module)});
    const store = await openSqliteStore({ path: ${JSON.stringify(path)} });
    ${body}
    await store.close();`;
  return ['--input-type=module', '--disable-warning=ExperimentalWarning', '--eval', script];
}

describe('openSqliteStore', () => {
  test('in four processes at once creates one database', async () => {
    const ids = await Promise.all(
      Array.from({ length: 4 }, () => runProcess('console.log(await store.deploymentId());')),
    );

    expect(ids[0]).toMatch(/^[0-9a-f]{8}$/);
    expect(new Set(ids).size).toBe(1);
  });

  test('keeps what it has when opened again', async () => {
    const first = await openSqliteStore({ path });
    const session = await first.sessions.insert(aNewSession('a'));
    await first.close();

    const second = await openSqliteStore({ path });

    expect(await second.sessions.find('a')).toEqual(session);
    await second.close();
  });

  test('is unavailable where the file cannot be', async () => {
    expect(await count([openSqliteStore({ path: directory })])).toEqual({ unavailable: 1 });
  });
});

describe('several processes', () => {
  test('insert one of each name, and lose none', async () => {
    const body = `
      let inserted = 0;
      for (let index = 0; index < 50; index += 1) {
        const request = { ...${JSON.stringify(aRequest())}, name: 's' + index };
        const jobId = 'cfs-s' + index + '-' + process.pid;
        await store.sessions.insert({ jobId, request, createdAt: ${JSON.stringify(at(0))} })
          .then(() => { inserted += 1; }, (error) => { if (error.fault !== 'conflict') throw error; });
      }
      console.log(inserted);`;

    const inserted = await Promise.all(Array.from({ length: 3 }, () => runProcess(body)));

    expect(inserted.map(Number).reduce((sum, each) => sum + each)).toBe(50);
  });

  test('a process that is killed has lost nothing that it answered', async () => {
    const body = `
      for (let index = 0; ; index += 1) {
        const request = { ...${JSON.stringify(aRequest())}, name: 's' + index };
        await store.sessions.insert({ jobId: 'cfs-s' + index, request, createdAt: ${JSON.stringify(at(0))} });
        process.stdout.write(index + '\\n');
      }`;
    const child = spawn(process.execPath, toArguments(body), {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    let output = '';
    child.stdout.on('data', (text: Buffer) => {
      output += text.toString();
      if (output.includes('\n100\n')) child.kill('SIGKILL');
    });
    await once(child, 'close');
    const answered = output.split('\n').length - 1;

    const store = await openSqliteStore({ path });
    const { items } = await store.sessions.list({}, { limit: 10_000 });
    await store.close();

    expect(answered).toBeGreaterThan(100);
    expect(items.length).toBeGreaterThanOrEqual(answered);
  });

  test('tell each other of their commits', async () => {
    const store = await openSqliteStore({ path });
    const changes: Change[] = [];
    store.subscribe((change) => changes.push(change));

    await runProcess(`await store.options.patch({ batchSize: 7 });`);
    await waitFor(() => changes.length > 0);

    expect(changes[0]).toEqual({ kind: 'any' });
    expect((await store.options.get()).batchSize).toBe(7);
    await store.close();
  });
});

describe('a database that somebody keeps locked', () => {
  test('is waited for, while reads and everything else continue', async () => {
    const store = await openSqliteStore({ path });
    const holder = new DatabaseSync(path);
    holder.exec('begin immediate');
    let isInserted = false;
    const insert = store.sessions.insert(aNewSession('a')).then(() => {
      isInserted = true;
    });

    expect(await store.sessions.list({}, { limit: 10 })).toEqual({ items: [], hasMore: false });
    expect(isInserted).toBe(false);
    holder.exec('commit');
    await insert;

    holder.close();
    await store.close();
  });

  test('counts as away also if SQLite has given up its own wait', () => {
    const database = new DatabaseSync(path);
    const dialect = createSqliteDialect({ writer: database, reader: database });

    // After ten seconds without a turn among readers, as while another process recovers the log.
    const error = Object.assign(new Error('locking protocol'), { errcode: 15 });

    expect(dialect.toFault(error)).toMatchObject({ fault: 'unavailable' });
    database.close();
  });

  test('does not end a process that watches it, and is heard of once it answers', async () => {
    // With a rollback journal, one writer can lock out every reader, as a recovery does in the other mode.
    const open = (name: string) => new DatabaseSync(join(directory, name), { timeout: 0 });
    const watched = open('watched.db');
    const other = open('other.db');
    const writers = [open('watched.db'), open('other.db')] as const;
    const told = { watched: 0, other: 0 };
    const stops = [
      createSqliteDialect({ writer: watched, reader: watched }).watch(() => (told.watched += 1)),
      createSqliteDialect({ writer: other, reader: other }).watch(() => (told.other += 1)),
    ];
    writers[0].exec('begin exclusive; create table t (x)');

    // Both look at the same pace, so between two reports of the one there is a look at the other.
    for (const [index, table] of ['a', 'b'].entries()) {
      writers[1].exec(`create table ${table} (x)`);
      await waitFor(() => told.other === index + 1);
    }
    expect(told.watched).toBe(0);
    writers[0].exec('commit');
    await waitFor(() => told.watched === 1);

    for (const stop of stops) stop();
    for (const database of [watched, other, ...writers]) database.close();
  });
});

describe('a guard', () => {
  test.each([
    ['attach_only = 1', 'launch'],
    [`teardown_at = '${at(1)}'`, 'cancel'],
  ])('%s refuses a %s', async (columns, act) => {
    const store = await openSqliteStore({ path });
    const { jobId } = await store.sessions.insert(aNewSession('a'));
    const raw = new DatabaseSync(path);
    raw.exec(`update sessions set ${columns}`);
    raw.close();

    if (act === 'launch') {
      const { won } = await store.sessions.recordLaunch(jobId, { at: at(2), incarnation: 'x' });
      expect(won).toBe(false);
    } else {
      expect(await count([store.sessions.requestCancel('a', { at: at(2) })])).toEqual({
        conflict: 1,
      });
    }
    await store.close();
  });
});
