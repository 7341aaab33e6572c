import { readdirSync, readFileSync } from 'node:fs';

/**
 * Finds processes by id, by a variable of their environment (orphans keep it) or by a text in their command line, with all
 * descendants.
 * @param {{ pids?: readonly number[], marks?: readonly string[], texts?: readonly string[] }} what
 *   `marks` are whole variables: `NAME=value`
 * @returns {number[]}
 */
export function findProcesses({ pids = [], marks = [], texts = [] }) {
  const running = readProcesses();
  const isMeant = (/** @type {number} */ id) =>
    pids.includes(id) ||
    includesAny(read(`/proc/${id}/environ`).split('\0'), marks) ||
    texts.some((text) => read(`/proc/${id}/cmdline`).includes(text));
  const found = new Set(running.map(({ id }) => id).filter(isMeant));
  found.delete(process.pid);
  for (let before = -1; before !== found.size;) {
    before = found.size;
    for (const { id, parent } of running) if (found.has(parent)) found.add(id);
  }
  return [...found];
}

/**
 * Sends SIGTERM, and SIGKILL to those left after the grace time. Resolves when none is left.
 * @param {() => number[]} find
 */
export async function endProcesses(find, graceMs = 3000) {
  const start = Date.now();
  const signalled = new Set();
  for (;;) {
    const left = find();
    if (left.length === 0) return;
    const force = Date.now() - start > graceMs;
    for (const id of left) {
      if (force || !signalled.has(id)) signal(id, force ? 'SIGKILL' : 'SIGTERM');
      signalled.add(id);
    }
    if (Date.now() - start > graceMs + 10_000)
      throw new Error(`These processes do not end: ${left}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

/**
 * A command that gets a signal when the process that starts it is gone, however that ended.
 * @param {readonly string[]} command @param {'TERM' | 'QUIT'} signal @returns {[string, ...string[]]}
 */
export function endingWithUs(command, signal) {
  return ['setpriv', '--pdeathsig', signal, ...command];
}

/** @param {number} id @param {NodeJS.Signals} name */
function signal(id, name) {
  try {
    process.kill(id, name);
  } catch (error) {
    if (/** @type {NodeJS.ErrnoException} */ (error).code !== 'ESRCH') throw error;
  }
}

/** Zombies are left out: they run nothing, and only their parent can collect them. */
function readProcesses() {
  const running = [];
  for (const name of readdirSync('/proc')) {
    if (!/^\d+$/.test(name)) continue;
    const stat = read(`/proc/${name}/stat`);
    const [state, parent] = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    if (stat !== '' && state !== 'Z') running.push({ id: Number(name), parent: Number(parent) });
  }
  return running;
}

/** @param {readonly string[]} texts @param {readonly string[]} wanted */
function includesAny(texts, wanted) {
  return wanted.some((one) => texts.includes(one));
}

/** @param {string} file */
function read(file) {
  try {
    return readFileSync(file, 'latin1');
  } catch {
    return '';
  }
}
