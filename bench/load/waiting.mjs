import { execFileSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { pause } from '../../scripts/demo/service.mjs';
import { readJobMemory, readMemory } from '../memory.mjs';
import { requireSuccess, toCounts } from './control.mjs';
import { standInForAnsible } from './programs.mjs';
import { openStand, readSessions, submitAll, toNames, waitUntilComplete } from './stand.mjs';

const PLAYED = 500;
const REAL = 50;
const SETTLE_MS = 10_000;
/** Two heartbeats of an activity, which come every 24 s. */
const WATCH_MS = 48_000;
const LIMIT_MS = 300_000;
const SAMPLED_JOBS = 10;
/** Ticks per second of the times in `/proc/<pid>/stat`. */
const TICKS_PER_SECOND = 100;

/** @typedef {import('../api/figures.mjs').Figure} Figure */

/**
 * What sessions cost API and worker while they wait in a phase. Their jobs are simulated.
 * @param {import('./bench-load.mjs').Site} site @returns {Promise<Figure[]>}
 */
export async function measureWaiting(site) {
  const count = Math.ceil(PLAYED * site.scale);
  const environment = { BENCH_HOLDS: '1', MAX_WATCHED_JOBS: String(count + 100) };
  const stand = await openStand(site, { standIn: true, environment });
  try {
    const figures = await watch(stand, toNames('waiting', count), site);
    const begin = performance.now();
    process.kill(stand.worker.pid, 'SIGUSR2');
    await waitUntilComplete(stand, site.signal, LIMIT_MS);
    const value = (performance.now() - begin) / 1000;
    return [...figures, { what: `until all ${count} were over`, value, unit: 's' }];
  } finally {
    await stand.close();
  }
}

/**
 * The same with real jobs that run a waiting program instead of Ansible. Also measures how long a worker takes to shut down.
 * @param {import('./bench-load.mjs').Site} site @returns {Promise<Figure[]>}
 */
export async function measureRealWaiting(site) {
  const { data } = site.database;
  const gate = join(data, 'gate');
  execFileSync('mkfifo', [gate]);
  const environment = standInForAnsible(join(data, 'programs'), `exec cat '${gate}'`);
  const stand = await openStand(site, { environment });
  try {
    const names = toNames('real', Math.ceil(REAL * site.scale));
    const figures = await watch(stand, names, site);
    figures.push(...(await measureJobs(stand, names)));
    const left = await stand.worker.kill('SIGTERM');
    await stand.worker.start(site.signal);
    writeFileSync(gate, '');
    await waitUntilComplete(stand, site.signal, LIMIT_MS);
    await requireSuccess(stand, names);
    const what = `SIGTERM until the worker has left ${names.length} phases`;
    return [...figures, { what, value: left / 1000, unit: 's', most: 5 }];
  } finally {
    await stand.close();
  }
}

/**
 * @param {import('./stand.mjs').Stand} stand @param {readonly string[]} names @param {import('./bench-load.mjs').Site} site
 * @returns {Promise<Figure[]>}
 */
async function watch(stand, names, { scale, signal }) {
  await submitAll(stand, names, { configuration_name: 'debug_noop' });
  await waitUntilAllWait(stand, names.length, signal);
  await pause(signal, SETTLE_MS);
  const processes = { API: stand.api.pid, worker: stand.worker.pid };
  const cpuBefore = Object.values(processes).map(readCpuSeconds);
  const before = toCounts(await stand.readSdkMetrics());
  const begin = performance.now();
  await pause(signal, Math.max(WATCH_MS * scale, WATCH_MS / 2));
  const minutes = (performance.now() - begin) / 60_000;
  const after = toCounts(await stand.readSdkMetrics());
  const memory = Object.values(processes).map(readMemory);
  const cpu = Object.values(processes).map(
    (pid, index) => readCpuSeconds(pid) - (cpuBefore[index] ?? 0),
  );
  const total = (/** @type {readonly number[]} */ values) =>
    values.reduce((sum, value) => sum + value, 0);
  const perMinute = Object.fromEntries(
    Object.entries(after)
      .map(([operation, count]) => [operation, (count - (before[operation] ?? 0)) / minutes])
      .filter(([, rate]) => Number(rate) > 0),
  );
  const resident = total(memory.map((each) => each.resident)) / 1e6;
  const shared = total(memory.map((each) => each.shared)) / 1e6;
  return [
    {
      ...{ what: `${names.length} waiting: resident memory of API and worker` },
      ...{ value: resident, unit: 'MB', most: 1000, more: { proportional: shared } },
    },
    {
      ...{ what: 'processor time of both, of one core', unit: '%' },
      value: (100 * total(cpu)) / (minutes * 60),
    },
    {
      ...{ what: 'requests to Temporal for each session and minute', unit: '' },
      ...{ value: total(Object.values(perMinute)) / names.length, more: perMinute },
    },
  ];
}

/** @param {import('./stand.mjs').Stand} stand @param {number} count @param {AbortSignal} signal */
async function waitUntilAllWait({ client }, count, signal) {
  for (const deadline = Date.now() + LIMIT_MS; ; await pause(signal, 500)) {
    const { sessions } = await client.get('/v3/sessions?status=running&limit=1000');
    const waiting = sessions.filter((/** @type {any} */ { status }) =>
      status.session.phase?.startsWith('ansible-'),
    );
    if (waiting.length === count) return;
    if (Date.now() > deadline) throw new Error(`Only ${waiting.length} of ${count} sessions wait.`);
  }
}

/**
 * @param {import('./stand.mjs').Stand} stand @param {readonly string[]} names
 * @returns {Promise<Figure[]>}
 */
async function measureJobs(stand, names) {
  const sessions = await readSessions(stand, names.slice(0, SAMPLED_JOBS));
  const own = sessions.map(({ status }) => readJobMemory(status.session.job).own);
  const mean = (/** @type {'resident' | 'shared'} */ kind) =>
    own.reduce((sum, memory) => sum + memory[kind], 0) / own.length / 1e6;
  const what = 'a real job without its playbook, memory that is its own share';
  const more = { resident: mean('resident'), jobs: own.length };
  return [{ what, value: mean('shared'), unit: 'MB', most: 47, more }];
}

/** @param {number} pid */
export function readCpuSeconds(pid) {
  const stat = readFileSync(`/proc/${pid}/stat`, 'latin1');
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return (Number(fields[11]) + Number(fields[12])) / TICKS_PER_SECOND;
}
