import { at } from '../numbers.mjs';
import { toP99 } from '../api/figures.mjs';
import { createAgent, send, timeAtRate, timeInTurn } from '../api/load.mjs';

/** @typedef {import('../api/requests.mjs').Site} Site */

const PER_PUT = 10_000;
const ROUNDS = 5;

export const layers = [0, 1, 2].map((index) => ({
  clone_url: `https://git.example.org/layer${index}.git`,
  commit: String(index).repeat(40),
  playbook: 'site.yml',
}));

/** @param {number} index */
export const toId = (index) => `x${1000 + Math.floor(index / 1000)}c0s${index % 1000}b0n0`;

/** @param {number} from @param {number} to */
const toIds = (from, to) => Array.from({ length: to - from }, (_, index) => toId(from + index));

/** Nine in ten components have all three layers, the others two. @param {number} index */
function toState(index) {
  const known = index % 10 === 5 ? layers.slice(0, 2) : layers;
  return known.map((layer) => ({ ...layer, session_name: 'batcher-0', status: 'applied' }));
}

/** @param {Site} site @param {number} from @param {number} to */
export async function fill({ url, signal }, from, to) {
  await send(`${url}/v3/configurations/compute`, { method: 'PUT', body: { layers } });
  for (let first = from; first < to; first += PER_PUT) {
    signal.throwIfAborted();
    const body = toIds(first, Math.min(first + PER_PUT, to)).map((id, index) => ({
      ...{
        id,
        enabled: true,
        desired_config: 'compute',
        tags: { bos_session: `b-${index % 100}` },
      },
      state: toState(index),
    }));
    await send(`${url}/v3/components`, { method: 'PUT', body });
  }
}

/** The median of several rounds, in seconds. @param {(round: number) => Promise<unknown>} act */
async function timeRounds(act) {
  const measure = async (/** @type {number} */ round) => {
    const start = performance.now();
    await act(round);
    return performance.now() - start;
  };
  return toMedian(await repeat(measure));
}

/** Resolves to the milliseconds of each round. @param {(round: number) => Promise<number>} measure */
async function repeat(measure) {
  const times = [];
  for (let round = 0; round < ROUNDS; round += 1) times.push(await measure(round));
  return times;
}

/** @param {readonly number[]} times in milliseconds */
function toMedian(times) {
  const seconds = times.map((time) => time / 1000);
  return { value: at(seconds, 0.5), unit: 's', more: { count: ROUNDS, max: at(seconds, 1) } };
}

const sum = (/** @type {readonly number[]} */ times) => times.reduce((total, time) => total + time);

/** @param {Site} site @param {number} stored */
export async function measurePatches({ url }, stored) {
  const patch = (/** @type {unknown} */ body) =>
    send(`${url}/v3/components`, { method: 'PATCH', body });
  const list = await timeRounds((round) =>
    patch(
      toIds(0, stored).map((id) => ({ id, enabled: round % 2 === 0, tags: { rack: `${round}` } })),
    ),
  );
  const filter = await timeRounds((round) =>
    patch({ patch: { enabled: round % 2 === 1 }, filters: { config_name: 'compute' } }),
  );
  return [
    { what: `PATCH of a list of ${stored}`, ...list, most: 0.5, original: '2.6 to 2.9 s' },
    { what: `PATCH of ${stored} by a filter`, ...filter, most: 0.2, original: '0.46 s' },
  ];
}

const filters = {
  'no filter': '',
  'status configured': '&status=configured',
  'status pending (one in ten)': '&status=pending',
  'status failed (none)': '&status=failed',
  'enabled and pending': '&enabled=true&status=pending',
  'tags (one in a hundred)': '&tags=bos_session=b-7',
};

/** @param {Site} site @param {number} stored @param {{ most: number, part: number }} target */
export async function measureLists({ url, scale, signal }, stored, { most, part }) {
  const figures = [];
  for (const [name, filter] of Object.entries(filters)) {
    const path = `${url}/v3/components?limit=1000&state_details=true&config_details=true${filter}`;
    const act = (/** @type {import('node:http').Agent} */ agent) => send(path, { agent });
    const times = await timeInTurn(Math.ceil(100 * scale), act, signal);
    const p99 = toP99(`GET of 1000 of ${stored} with details, ${name}`, times);
    const what = part === 0.5 ? p99.what.replace('p99', 'median') : p99.what;
    const original = name === 'no filter' && part === 0.5 ? { original: '76 ms' } : {};
    figures.push({ ...p99, what, value: at(times, part), most, ...original });
  }
  return figures;
}

/** @param {string} commit */
const toReport = (commit) => ({
  error_count: 0,
  state_append: { ...layers[0], commit, session_name: 'bench' },
});

/** @param {Site} site @param {number} stored */
export async function measureAppends({ url, scale, signal }, stored) {
  const count = Math.ceil(1_000 * scale);
  const append = (/** @type {import('node:http').Agent} */ agent, /** @type {number} */ index) =>
    send(`${url}/v3/components/${toId(index % stored)}`, {
      ...{ method: 'PATCH', body: toReport('0'.repeat(40)), agent },
    });
  const inTurn = toMedian(await repeat(async () => sum(await timeInTurn(count, append, signal))));
  const agent = createAgent(16);
  const together = await timeRounds(() =>
    Promise.all(Array.from({ length: count }, (_, index) => append(agent, index))),
  );
  agent.destroy();
  return [
    { what: `state_append of ${count}, one by one`, ...inTurn, most: 0.7, original: '1.5 s' },
    { what: `state_append of ${count}, 16 at once`, ...together, most: 0.7 },
  ];
}

/**
 * A boot storm: each node reports once that it has booted, over a connection of its own.
 * @param {Site} site @param {number} count @param {string} beside
 */
export async function measureStorm({ url, scale, signal }, count, beside) {
  const body = { enabled: true, state: [], tags: { booted: 'yes' } };
  const agent = createAgent(1_000);
  const { times } = await timeAtRate(
    { rate: Math.ceil((10_000 * scale) / (60 * scale)), count },
    (_, index) => send(`${url}/v3/components/${toId(index)}`, { method: 'PATCH', body, agent }),
    signal,
  );
  agent.destroy();
  const { components } = JSON.parse(
    String(await send(`${url}/v3/components?tags=booted=yes&limit=${count}`)),
  );
  return [
    toP99(`boot storm, ${beside}: ${count} PATCHes at 167/s on up to 1,000 connections`, times, {
      most: 100,
    }),
    { what: `boot storm, ${beside}: lost`, value: count - components.length, unit: '', most: 0 },
  ];
}

/** @param {Site} site @param {number} stored */
export async function measureCreation({ url, scale, signal }, stored) {
  const create = (/** @type {import('node:http').Agent} */ agent, /** @type {number} */ index) =>
    send(`${url}/v3/sessions`, {
      ...{ method: 'POST', agent },
      body: { name: `beside-${index}`, configuration_name: 'compute' },
    });
  const { times } = await timeAtRate({ rate: 20, count: Math.ceil(400 * scale) }, create, signal);
  return [toP99(`POST session at 20/s, ${stored} components stored`, times, { most: 10 })];
}

/** Puts all components with their whole records, as an import does. @param {Site} site @param {number} stored */
export async function measureBulkPut({ url }, stored) {
  const body = toIds(0, stored).map((id, index) => ({
    ...{ id, enabled: true, desired_config: 'compute', tags: { bos_session: `b-${index % 100}` } },
    state: toState(index),
  }));
  const raw = Buffer.from(JSON.stringify(body));
  const start = performance.now();
  await send(`${url}/v3/components`, { method: 'PUT', body, raw });
  const value = (performance.now() - start) / 1000;
  const size = (raw.length / 1e6).toFixed(0);
  return [{ what: `PUT of ${stored} with all their state, ${size} MB`, value, unit: 's' }];
}

/** @param {Site} site @param {number} stored */
export async function measureBulk({ url }, stored) {
  const body = toIds(0, stored).map((id) => ({ id, desired_config: 'compute', enabled: true }));
  const start = performance.now();
  await send(`${url}/v3/components`, { method: 'PATCH', body });
  const value = (performance.now() - start) / 1000;
  return [{ what: `PATCH of a list of ${stored}`, value, unit: 's' }];
}
