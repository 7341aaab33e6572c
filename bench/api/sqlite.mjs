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
      database.exec('pragma wal_checkpoint(passive)');
    },
    async close() {
      database?.close();
    },
  };
}
