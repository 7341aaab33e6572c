import { countInLoop, createAgent, send, timeAtRate, timeInTurn } from './load.mjs';
import { toP99 } from './figures.mjs';
import { toStoredName } from './records.mjs';

const CONNECTIONS = 16;
/**
 * Requests before the measurement. In a new process the first thousand sessions take twice as long as later ones, and the
 * first twenty pages would decide the p99.
 */
const WARMING = { sessions: 3_000, pages: 100 };

/** @typedef {{ url: string, scale: number, signal: AbortSignal }} Site */

/** @param {number} seconds */
const layers = (seconds) => [
  {
    clone_url: 'https://git.example.org/base.git',
    commit: seconds.toString(16).padStart(40, '0'),
    playbook: 'site.yml',
  },
];

/** @param {string} name */
const toSession = (name) => ({ name, configuration_name: 'bench', tags: { made: 'bench' } });

/** @param {Site} site */
export async function putConfiguration({ url }) {
  await send(`${url}/v3/configurations/bench`, { method: 'PUT', body: { layers: layers(1) } });
}

/** @param {Site} site @param {string} stored */
export async function measureCreation({ url, scale, signal }, stored) {
  const create = (/** @type {any} */ agent, /** @type {string} */ name) =>
    send(`${url}/v3/sessions`, { method: 'POST', body: toSession(name), agent });
  const createInLoop = (/** @type {string} */ prefix, /** @type {number} */ count) =>
    countInLoop(url, {
      ...{ connections: CONNECTIONS, count: Math.ceil(count * scale), method: 'POST' },
      path: () => '/v3/sessions',
      body: (index) => toSession(`${prefix}-${stored}-${index}`),
    });
  await createInLoop('warm', WARMING.sessions);
  const { times, lateness } = await timeAtRate(
    { rate: 20, count: Math.ceil(400 * scale) },
    (agent, index) => create(agent, `open-${stored}-${index}`),
    signal,
  );
  const rate = await createInLoop('loop', 10_000);
  return [
    toP99(`POST session at 20/s, ${stored} stored`, times, { most: 5, original: '5 to 7 ms' }),
    toP99('of that the lateness of the load generator', lateness),
    {
      ...{ what: `POST session, ${CONNECTIONS} connections, ${stored} stored`, value: rate },
      ...{ unit: '/s', least: 2000, original: '1,100/s' },
    },
  ];
}

/** @param {Site} site @param {number} stored */
export async function measureGet({ url, scale }, stored) {
  const value = await countInLoop(url, {
    ...{ connections: CONNECTIONS, count: Math.ceil(30_000 * scale) },
    path: (index) => `/v3/sessions/${toStoredName((index * 7919) % stored)}`,
  });
  const what = `GET one session, ${CONNECTIONS} connections`;
  return [{ what, value, unit: '/s', least: 5000, original: '1,700 to 1,900/s' }];
}

/** @param {Site} site */
export async function measurePut({ url, scale }) {
  const value = await countInLoop(url, {
    ...{ connections: CONNECTIONS, count: Math.ceil(10_000 * scale), method: 'PUT' },
    path: (index) => `/v3/configurations/put-${index % 100}`,
    body: (index) => ({ layers: layers(index) }),
  });
  const what = `PUT configuration, ${CONNECTIONS} connections`;
  return [{ what, value, unit: '/s', least: 2500, original: '1,300/s' }];
}

/** Each filter alone and some combined, with many, few and no matches. */
const filters = {
  'no filter': '',
  'status complete': 'status=complete',
  'status running': 'status=running',
  'status pending (few)': 'status=pending',
  'succeeded true': 'succeeded=true',
  'succeeded unknown (none)': 'succeeded=unknown',
  'name_contains, many': 'name_contains=stored',
  'name_contains, few': 'name_contains=99999',
  'name_contains, none': 'name_contains=nowhere',
  'min_age, many': 'min_age=1d',
  'min_age, none': 'min_age=5000d',
  'max_age, many': 'max_age=5000d',
  'max_age, none': 'max_age=1h',
  'tags, many': 'tags=team=blue',
  'tags, few': 'tags=rack=7',
  'tags, none': 'tags=team=green',
  'status and name_contains, none': 'status=complete&name_contains=nowhere',
  'status and tags': 'status=running&tags=team=blue',
  'min_age, succeeded and tags': 'min_age=1d&succeeded=true&tags=team=blue',
};

/** @param {Site} site @param {number} stored @param {number} most */
export async function measureLists({ url, scale, signal }, stored, most) {
  const originals = {
    'no filter': '130 ms',
    'tags, many': '590 ms',
    'name_contains, none': '800 to 4,000 ms',
  };
  const deep = toStoredName(Math.floor(stored * 0.9));
  const list = (/** @type {string} */ query, /** @type {number} */ count) =>
    timeInTurn(
      Math.ceil(count * scale),
      (agent) => send(`${url}/v3/sessions?limit=100${query}`, { agent }),
      signal,
    );
  await list('', WARMING.pages);
  const figures = [];
  for (const [what, query] of Object.entries(filters)) {
    for (const [place, after] of [
      ['first', ''],
      ['deep', `&after_id=${deep}`],
    ]) {
      const times = await list(`${query === '' ? '' : `&${query}`}${after}`, 200);
      const original = originals[/** @type {keyof typeof originals} */ (what)];
      figures.push(
        toP99(`list of ${stored}, ${what}, ${place} page`, times, {
          most,
          ...(place === 'deep' || original === undefined ? {} : { original }),
        }),
      );
    }
  }
  return figures;
}

/** @param {Site} site */
export async function measureWalk({ url }) {
  const agent = createAgent(1);
  const begin = performance.now();
  let count = 0;
  /** @type {any} */
  let next = { limit: 1000 };
  while (next !== null) {
    const given = Object.entries(next).filter(([, value]) => value !== null);
    const query = new URLSearchParams(/** @type {any} */ (Object.fromEntries(given)));
    const page = JSON.parse(String(await send(`${url}/v3/sessions?${query}`, { agent })));
    count += page.sessions.length;
    next = page.next;
  }
  agent.destroy();
  const value = (performance.now() - begin) / 1000;
  const what = `walk through ${count} in pages of 1000`;
  return [{ what, value, unit: 's', most: 2 * (count / 100_000), original: '17 s' }];
}

/** @param {Site} site @param {number} stored */
export async function measureBulkDelete({ url }, stored) {
  const begin = performance.now();
  const answer = await send(`${url}/v3/sessions`, { method: 'DELETE' });
  const value = (performance.now() - begin) / 1000;
  const { session_ids: ids } = JSON.parse(String(answer));
  const what = `DELETE of ${ids.length} at once`;
  return [{ what, value, unit: 's', most: 2 * (ids.length / 100_000), original: '5.5 s' }];
}
