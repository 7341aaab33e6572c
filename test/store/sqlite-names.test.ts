import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { openSqliteStore } from '../../src/store/database/sqlite.js';
import { createNameSearch } from '../../src/store/database/sqlite-names.js';

let directory: string;
let writer: DatabaseSync;
let readers: readonly DatabaseSync[];

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'keelson-names-'));
  const path = join(directory, 'keelson.db');
  await (await openSqliteStore({ path })).close();
  writer = new DatabaseSync(path);
  writer.exec('pragma synchronous = off');
  readers = [0, 1].map(() => new DatabaseSync(path, { readOnly: true }));
});
beforeEach(() => writer.exec('delete from sessions'));
afterAll(async () => {
  for (const database of [writer, ...readers]) database.close();
  await rm(directory, { recursive: true });
});

describe('createNameSearch', () => {
  test('finds every session that is there, whatever happened to others, in two processes', () => {
    const name = fc.string({ unit: fc.constantFrom('a', 'b', '-', 'é'), minLength: 1 });
    const act = fc.oneof(
      { weight: 3, arbitrary: name.map((given) => () => insert(given)) },
      name.map((given) => () => undone(() => insert(given))),
      fc
        .nat(9)
        .map((at) => () => writer.exec(`update sessions set deleted_at = '' where ${row(at)}`)),
      fc.nat(9).map((at) => () => writer.exec(`delete from sessions where ${row(at)}`)),
      fc.constant(() => writer.exec(`delete from sessions where ${LAST}`)),
      fc.constant(() => writer.exec(`delete from sessions`)),
    );
    const part = fc.string({ unit: fc.constantFrom('a', 'b', 'é'), minLength: 1, maxLength: 2 });
    const step = fc.record({ acts: fc.array(act, { maxLength: 5 }), part, of: fc.nat(1) });
    fc.assert(
      fc.property(fc.array(step), (steps) => {
        writer.exec('delete from sessions');
        const searches = readers.map((reader) => createNameSearch(reader));
        for (const { acts, part, of } of steps) {
          for (const act of acts) act();
          const found = searches[of]?.(part) ?? [];
          const live = listLive();
          expect(found.filter((given) => !given.includes(part))).toEqual([]);
          expect(live.filter((given) => found.includes(given))).toEqual(
            live.filter((given) => given.includes(part)),
          );
        }
      }),
      { numRuns: 100 },
    );
  });

  test('finds no names if many match, nor any that are deleted once there are many new ones', () => {
    const search = createNameSearch(writer);
    insert('old');
    expect(search('old')).toEqual(['old']);
    writer.exec(`update sessions set deleted_at = 'now'`);
    insertMany(6_000);

    expect(search('new')).toBeUndefined();
    expect(search('old')).toEqual([]);
    expect(search('5999-')).toHaveLength(1);
  });

  test('finds no names if there are too many to keep', () => {
    const search = createNameSearch(writer, 10);
    insertMany(10);
    expect(search('new')).toHaveLength(10);
    expect(createNameSearch(writer, 9)('new')).toBeUndefined();
  });

  test('takes a part with a line feed for no line', () => {
    insertMany(2);
    expect(createNameSearch(writer)('-\nnew')).toBeUndefined();
  });
});

const LAST = 'rowid = (select max(rowid) from sessions)';
const row = (at: number) => `rowid = (select rowid from sessions limit 1 offset ${at})`;

function insert(name: string): void {
  writer
    .prepare(
      `insert into sessions (job_id, name, created_at, request) values (hex(randomblob(8)), ?, '', '{}') on conflict do nothing`,
    )
    .run(name);
}

function undone(act: () => void): void {
  writer.exec('begin');
  act();
  writer.exec('rollback');
}

function insertMany(count: number): void {
  writer.exec(`with recursive n(i) as (select 0 union all select i + 1 from n where i < ${count - 1})
    insert into sessions (job_id, name, created_at, request) select i, 'new-' || i || '-1234567890', '', '{}' from n`);
}

function listLive(): readonly string[] {
  const rows = writer.prepare('select name from sessions where deleted_at is null').all();
  return rows.map(({ name }) => String(name));
}
