import { mkdtempSync, rmSync } from 'node:fs';
import { availableParallelism, loadavg, tmpdir } from 'node:os';
import { join } from 'node:path';
import { openPostgres } from './postgres.mjs';
import { openSqlite } from './sqlite.mjs';

const databases = { sqlite: openSqlite, postgres: openPostgres };

/** @typedef {Awaited<ReturnType<typeof openSqlite | typeof openPostgres>>} BenchDatabase */

/**
 * Runs `measure` on each database, one after the other, each in a directory that is removed afterwards.
 * @template Found
 * @param {{ scale: number, database: string | undefined }} options @param {AbortSignal} signal
 * @param {(database: BenchDatabase) => Promise<Found>} measure
 */
export async function measureDatabases({ scale, database }, signal, measure) {
  const chosen = Object.entries(databases).filter(([name]) => name === (database ?? name));
  if (chosen.length === 0) throw new Error(`${database}: unknown database.`);
  const directory = mkdtempSync(join(tmpdir(), 'keelson-bench-'));
  const found = /** @type {Record<string, Found>} */ ({});
  const [load = 0] = loadavg();
  const result = { cores: availableParallelism(), load, scale, databases: found };
  try {
    for (const [name, open] of chosen) {
      const opened = await open(directory, signal);
      try {
        found[name] = await measure(opened);
      } finally {
        await opened.close();
      }
    }
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
  return result;
}
