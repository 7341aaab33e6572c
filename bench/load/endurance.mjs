import { readdirSync } from 'node:fs';
import { readMemory } from '../memory.mjs';
import { carry } from './control.mjs';
import { configure, openStand, toNames } from './stand.mjs';

const ROUNDS = 5;
const SESSIONS = 1000;

/** @typedef {import('../api/figures.mjs').Figure} Figure */

/**
 * How much memory API and worker keep of complete sessions. The same two processes run round after round, with simulated
 * jobs.
 * @param {import('./bench-load.mjs').Site} site @returns {Promise<Figure[]>}
 */
export async function measureEndurance(site) {
  const stand = await openStand(site, { standIn: true });
  try {
    const count = Math.ceil(SESSIONS * site.scale);
    await configure(stand);
    const figures = [];
    for (let round = 1; round <= ROUNDS; round += 1) {
      await carry(stand, toNames(`round${round}`, count), site.signal);
      console.error(`  ${round * count} sessions are over ...`);
      for (const [what, { pid }] of Object.entries({ API: stand.api, worker: stand.worker }))
        figures.push(toFigure(`${what} after ${round * count} sessions`, pid));
    }
    return figures;
  } finally {
    await stand.close();
  }
}

/** @param {string} what @param {number} pid @returns {Figure} */
function toFigure(what, pid) {
  const descriptors = readdirSync(`/proc/${pid}/fd`).length;
  return { what, value: readMemory(pid).resident / 1e6, unit: 'MB', more: { descriptors } };
}
