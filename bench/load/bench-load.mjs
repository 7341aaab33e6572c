import { mkdtempSync, rmSync } from 'node:fs';
import { availableParallelism, loadavg, tmpdir } from 'node:os';
import { join } from 'node:path';
import { printTable, printTitle } from '../../scripts/demo/print.mjs';
import { toRow } from '../api/figures.mjs';
import { openPostgres } from '../api/postgres.mjs';
import { openSqlite } from '../api/sqlite.mjs';
import { measureFlood } from './flood.mjs';

const databases = { sqlite: openSqlite, postgres: openPostgres };

/**
 * What happens beyond what can be borne.
 * @param {{ json: boolean, scale: number, database: string | undefined }} options @param {AbortSignal} signal
 */
export async function benchLoad({ json, scale, database }, signal) {
  const chosen = Object.entries(databases).filter(([name]) => name === (database ?? name));
  if (chosen.length === 0) throw new Error(`${database}: no such database.`);
  const directory = mkdtempSync(join(tmpdir(), 'keelson-bench-load-'));
  const results = [];
  try {
    for (const [name, open] of chosen) {
      const opened = await open(directory, signal);
      const [load] = loadavg();
      try {
        results.push({ name, load, figures: await measureFlood(opened, scale, signal) });
      } finally {
        await opened.close();
      }
    }
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
  const cores = availableParallelism();
  if (json) console.log(JSON.stringify({ cores, scale, results }, undefined, 2));
  else for (const { name, load = 0, figures } of results) print(name, cores, load, figures);
}

/** @param {string} name @param {number} cores @param {number} load @param {readonly import('../api/figures.mjs').Figure[]} figures */
function print(name, cores, load, figures) {
  printTitle(`${name}, ${cores} cores, load ${load.toFixed(1)} before`);
  printTable(['', 'measured', 'target', ''], figures.map(toRow));
}
