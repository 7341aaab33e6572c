import { cpSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { availableParallelism, loadavg, tmpdir } from 'node:os';
import { join } from 'node:path';
import { createClient } from '../scripts/demo/client.mjs';
import { removeDemo } from '../scripts/demo/removal.mjs';
import { startService } from '../scripts/demo/service.mjs';
import { createSite } from '../scripts/demo/site.mjs';
import { measureIdle } from './apart.mjs';
import { runByHand } from './by-hand.mjs';
import { readJobMemory, readMemory } from './memory.mjs';
import { summarize } from './numbers.mjs';
import { printReport } from './report.mjs';
import { runSession } from './session.mjs';

const CONFIGURATION = 'bench';

/**
 * What a session costs on this machine, compared with a shell loop that does the same.
 * @param {{ rounds: number, json: boolean }} options @param {AbortSignal} signal
 */
export async function benchSessions(options, signal) {
  const directory = mkdtempSync(join(tmpdir(), 'keelson-bench-'));
  try {
    const result = await measure(directory, options, signal);
    if (options.json) console.log(JSON.stringify(result, undefined, 2));
    else printReport(result);
  } finally {
    await removeDemo(directory);
  }
}

/** @param {string} directory @param {{ rounds: number, json: boolean }} options @param {AbortSignal} signal */
async function measure(directory, options, signal) {
  const site = await createSite(directory, { outlives: false });
  const service = await startService(directory, site, signal);
  const client = createClient(service.api, signal);
  await client.put(`/v3/configurations/${CONFIGURATION}`, toConfiguration(site));
  const rounds = await alternate(directory, options, site, client, signal);
  const job = await measureJob(site, client, signal);
  const embedded = readMemory(service.pid ?? 0);
  const idle = await measureIdle(directory, service.temporal, signal);
  return { ...rounds, memory: { ...idle, embedded, job } };
}

/** @param {Awaited<ReturnType<typeof createSite>>} site */
function toConfiguration({ base, services, inventory }) {
  return {
    layers: [base, services].map(({ url, commit }) => ({
      ...{ clone_url: url, commit, playbook: 'site.yml' },
    })),
    additional_inventory: { clone_url: inventory.url, commit: inventory.commit },
  };
}

/**
 * Runs both one after the other, each first in every second round, on fresh hosts. The first pair is a warm-up.
 * @param {string} directory @param {{ rounds: number, json: boolean }} options
 * @param {Awaited<ReturnType<typeof createSite>>} site
 * @param {ReturnType<typeof createClient>} client @param {AbortSignal} signal
 */
async function alternate(directory, options, site, client, signal) {
  const sessions = [];
  const byHand = [];
  const session = async (/** @type {number} */ round) => {
    forget(site);
    return runSession(client, `round-${round}`, CONFIGURATION, signal);
  };
  const warm = await session(0);
  const generated = join(directory, 'generated');
  const hosts = join(directory, 'data', 'jobs', warm.job, 'workspace', 'hosts');
  for (const name of ['00-cfs-defaults.yaml', '01-cfs-generated.yaml'])
    cpSync(join(hosts, name), join(generated, name));
  const hand = async () => {
    forget(site);
    return runByHand(directory, site, generated);
  };
  await hand();
  const load = loadavg()[0];
  for (let round = 1; round <= options.rounds; round += 1) {
    if (round % 2 === 0) byHand.push(await hand());
    sessions.push(await session(round));
    if (round % 2 === 1) byHand.push(await hand());
    if (!options.json) process.stdout.write('.');
  }
  return { load, cores: availableParallelism(), ...toSummaries(sessions, byHand) };
}

/**
 * @param {readonly Awaited<ReturnType<typeof runSession>>[]} sessions @param {readonly number[]} byHand
 */
function toSummaries(sessions, byHand) {
  const of = (/** @type {'total' | 'toFirstPhase' | 'toComplete' | 'between'} */ name) =>
    summarize(sessions.map((session) => session[name]));
  const phases = (sessions[0]?.phases ?? []).map(
    (/** @type {any} */ { phase }, /** @type {number} */ position) => ({
      phase,
      ...summarize(sessions.map((session) => session.phases[position]?.milliseconds ?? NaN)),
    }),
  );
  return {
    session: of('total'),
    byHand: summarize(byHand),
    ratio: summarize(sessions.map(({ total }, round) => total / (byHand[round] ?? NaN))),
    toFirstPhase: of('toFirstPhase'),
    toComplete: of('toComplete'),
    between: of('between'),
    phases,
  };
}

/** @param {Awaited<ReturnType<typeof createSite>>} site */
function forget({ hosts }) {
  for (const { directory } of hosts)
    for (const name of readdirSync(directory))
      rmSync(join(directory, name), { recursive: true, force: true });
}

/**
 * The peak memory of a running job, in a session that is not timed.
 * @param {Awaited<ReturnType<typeof createSite>>} site
 * @param {ReturnType<typeof createClient>} client @param {AbortSignal} signal
 */
async function measureJob(site, client, signal) {
  forget(site);
  const most = { own: { resident: 0, shared: 0 }, all: { resident: 0, shared: 0 } };
  await runSession(client, 'memory', CONFIGURATION, signal, (job) => {
    if (job === null) return;
    const now = readJobMemory(job);
    for (const part of /** @type {const} */ (['own', 'all']))
      for (const kind of /** @type {const} */ (['resident', 'shared']))
        most[part][kind] = Math.max(most[part][kind], now[part][kind]);
  });
  return most;
}
