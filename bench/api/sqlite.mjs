import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';

/** @param {string} directory */
export async function openSqlite(directory) {
  const data = join(directory, 'sqlite');
  mkdirSync(data);
  /** @type {DatabaseSync | undefined} */
  let database;
  return {
    name: 'SQLite',
    data,
    environment: {},
    /** @param {readonly string[]} statements */
    async execute(statements) {
      database ??= new DatabaseSync(join(data, 'keelson.db'), { timeout: 60_000 });
      database.exec('begin immediate');
      for (const statement of statements) database.exec(statement);
      database.exec('commit');
      // Moves earlier writes from the WAL into the database, as in a service that has run for a while.
      database.exec('pragma wal_checkpoint(truncate)');
    },
    /** The size of what is stored, without free pages. */
    async measureSize() {
      const reader = new DatabaseSync(join(data, 'keelson.db'), {
        readOnly: true,
        timeout: 60_000,
      });
      const read = (/** @type {string} */ name) =>
        Number(Object.values(reader.prepare(`pragma ${name}`).get() ?? {})[0]);
      const size = (read('page_count') - read('freelist_count')) * read('page_size');
      reader.close();
      return size;
    },
    async close() {
      database?.close();
    },
  };
}
