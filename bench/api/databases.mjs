import { mkdtempSync, rmSync } from 'node:fs';
import { availableParallelism, loadavg, tmpdir } from 'node:os';
import { join } from 'node:path';
import { printTable, printTitle } from '../../scripts/demo/print.mjs';
import { toRow } from './figures.mjs';
import { openPostgres } from './postgres.mjs';
import { openSqlite } from './sqlite.mjs';

const databases = { sqlite: openSqlite, postgres: openPostgres };

/** @typedef {Awaited<ReturnType<typeof openSqlite | typeof openPostgres>>} BenchDatabase */

/** @typedef {import('./figures.mjs').Figure} Figure */
/** @typedef {(database: BenchDatabase) => Promise<Figure[]>} Measure */

/**
 * Runs `measure` on each database, one after the other, and prints the figures.
 * @param {{ json: boolean, scale: number, database: string | undefined }} options @param {AbortSignal} signal
 * @param {Measure} measure
 */
export async function benchDatabases({ json, scale, database }, signal, measure) {
  const result = await measureDatabases({ scale, database }, signal, measure);
  if (json) console.log(JSON.stringify(result, undefined, 2));
  else print(result);
}

/**
 * Each database is in a directory that is removed afterwards.
 * @param {{ scale: number, database: string | undefined }} options @param {AbortSignal} signal @param {Measure} measure
 */
async function measureDatabases({ scale, database }, signal, measure) {
  const chosen = Object.entries(databases).filter(([name]) => name === (database ?? name));
  if (chosen.length === 0) throw new Error(`${database}: unknown database.`);
  const directory = mkdtempSync(join(tmpdir(), 'keelson-bench-'));
  const found = /** @type {Record<string, Figure[]>} */ ({});
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

/** @param {{ cores: number, load: number, databases: Record<string, Figure[]> }} result */
function print({ cores, load, databases: measured }) {
  console.log(
    `\n${cores} cores, load ${load.toFixed(1)} before; no worker, the runner is off; load from loopback`,
  );
  for (const [name, figures] of Object.entries(measured)) {
    printTitle(name);
    printTable(['', 'measured', 'target', 'original CFS'], figures.map(toRow));
  }
}
