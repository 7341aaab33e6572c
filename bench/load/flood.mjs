import { createAgent } from '../api/load.mjs';
import { toP99 } from '../api/figures.mjs';
import { putConfiguration } from '../api/requests.mjs';
import { startApi } from '../api/service.mjs';
import { post } from './post.mjs';

const CONNECTIONS = 1000;
const MS = 10_000;

/**
 * Clients that all post sessions as fast as they can, each again as soon as it has its answer: many times what can be taken.
 * Whatever was accepted must be there afterwards, and was neither slow nor refused without a word about when to come again.
 * @param {{ data: string, environment: NodeJS.ProcessEnv }} database @param {number} scale @param {AbortSignal} signal
 * @returns {Promise<import('../api/figures.mjs').Figure[]>}
 */
export async function measureFlood(database, scale, signal) {
  const api = await startApi(database.data, database.environment, signal);
  try {
    await putConfiguration({ url: api.url, scale, signal });
    const { times, accepted, refused } = await flood(api.url, MS * scale, signal);
    const lost = await findLost(api.url, accepted);
    return [
      toP99(`POST session, ${CONNECTIONS} connections`, times, { most: 1000 }),
      { what: 'accepted', value: accepted.size, unit: '' },
      { what: 'told to come again', value: refused, unit: '' },
      { what: 'accepted and lost', value: lost, unit: '', most: 1 },
    ];
  } finally {
    await api.close();
  }
}

/** @param {string} url @param {number} ms @param {AbortSignal} signal */
async function flood(url, ms, signal) {
  const agent = createAgent(CONNECTIONS);
  const times = /** @type {number[]} */ ([]);
  const accepted = /** @type {Set<string>} */ (new Set());
  let refused = 0;
  let count = 0;
  const end = performance.now() + ms;
  const client = async () => {
    while (performance.now() < end) {
      signal.throwIfAborted();
      const name = `flood-${(count += 1)}`;
      const start = performance.now();
      const { status, again } = await post(agent, `${url}/v3/sessions`, name);
      times.push(performance.now() - start);
      if (status === 201) accepted.add(name);
      else if ([429, 503].includes(status) && again) refused += 1;
      else throw new Error(`${name} was answered with ${status}.`);
    }
  };
  await Promise.all(Array.from({ length: CONNECTIONS }, client));
  agent.destroy();
  return { times, accepted, refused };
}

/** @param {string} url @param {Set<string>} accepted */
async function findLost(url, accepted) {
  const left = new Set(accepted);
  for (let after = ''; ;) {
    const answer = await fetch(`${url}/v3/sessions?limit=1000&after_id=${after}`);
    const { sessions } = await answer.json();
    for (const { name } of sessions) left.delete(name);
    if (sessions.length < 1000) return left.size;
    after = sessions.at(-1).name;
  }
}
