import { mkdtempSync, rmSync } from 'node:fs';
import { availableParallelism, loadavg, tmpdir } from 'node:os';
import { join } from 'node:path';
import { printTable, printTitle } from '../../scripts/demo/print.mjs';
import { toRow } from '../api/figures.mjs';
import { openPostgres } from '../api/postgres.mjs';
import { openSqlite } from '../api/sqlite.mjs';
import { measureControl } from './control.mjs';
import { measureEndurance } from './endurance.mjs';
import { measureFlood, measureOpenLoop } from './flood.mjs';
import { measureForks } from './forks.mjs';
import { measureHosts } from './hosts.mjs';
import { measureLocal } from './local.mjs';
import { measureLog } from './log.mjs';
import { measureReader } from './reader.mjs';
import { measureSizes } from './sizes.mjs';
import { measureRealWaiting, measureWaiting } from './waiting.mjs';

/**
 * @typedef {Awaited<ReturnType<typeof openSqlite | typeof openPostgres>>} Database
 * @typedef {{ database: Database, scale: number, signal: AbortSignal }} Site
 * @typedef {(site: Site) => Promise<import('../api/figures.mjs').Figure[]>} Part
 */

const databases = { sqlite: openSqlite, postgres: openPostgres };

/** Each part runs on a database of its own. @type {Record<string, Part>} */
const parts = {
  flood: measureFlood,
  open: measureOpenLoop,
  control: measureControl,
  endurance: measureEndurance,
  local: measureLocal,
  waiting: measureWaiting,
  real: measureRealWaiting,
  hosts: measureHosts,
  log: measureLog,
  reader: measureReader,
  sizes: measureSizes,
  forks: measureForks,
};
/** Parts whose results do not depend on the database. */
const ONCE = new Set(['forks']);

/**
 * How much Keelson can take, what that costs, and what happens beyond it.
 * @param {{ json: boolean, scale: number, database: string | undefined, part: string | undefined }} options
 * @param {AbortSignal} signal
 */
export async function benchLoad({ json, scale, database, part }, signal) {
  const opens = choose(databases, database, 'database');
  const results = [];
  for (const [name, measure] of choose(parts, part, 'part')) {
    for (const [on, open] of ONCE.has(name) ? opens.slice(0, 1) : opens) {
      const [load = 0] = loadavg();
      const begin = Date.now();
      console.error(`${name} on ${on}, load ${load.toFixed(1)} ...`);
      const figures = await run(measure, open, scale, signal);
      console.error(`${name} on ${on}: ${((Date.now() - begin) / 1000).toFixed(0)} s`);
      results.push({ part: name, database: on, load, figures });
    }
  }
  const cores = availableParallelism();
  if (json) console.log(JSON.stringify({ cores, scale, results }, undefined, 2));
  else for (const result of results) print(cores, result);
}

/**
 * @template T @param {Record<string, T>} all @param {string | undefined} name @param {string} kind
 * @returns {[string, T][]}
 */
function choose(all, name, kind) {
  const chosen = Object.entries(all).filter(([each]) => each === (name ?? each));
  if (chosen.length > 0) return chosen;
  throw new Error(`${name}: unknown ${kind}. Known are ${Object.keys(all).join(', ')}.`);
}

/** @param {Part} measure @param {typeof openSqlite | typeof openPostgres} open @param {number} scale @param {AbortSignal} signal */
async function run(measure, open, scale, signal) {
  const directory = mkdtempSync(join(tmpdir(), 'keelson-bench-load-'));
  try {
    const database = await open(directory, signal);
    try {
      return await measure({ database, scale, signal });
    } finally {
      await database.close();
    }
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

/** @param {number} cores @param {{ part: string, database: string, load: number, figures: readonly import('../api/figures.mjs').Figure[] }} result */
function print(cores, { part, database, load, figures }) {
  printTitle(`${part} on ${database}, ${cores} cores, load ${load.toFixed(1)} before`);
  printTable(['', 'measured', 'target', ''], figures.map(toRow));
}
