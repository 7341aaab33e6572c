/** Finds or installs what Keelson needs besides Node and npm. Has no dependencies, because it runs before they are installed. */
import { mkdirSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { cacheDirectory } from './lib/cache.mjs';
import { withLock } from './lib/files.mjs';
import { PROGRESS_MS, SetupError, endChildrenOnSignals } from './setup/command.mjs';
import { ensureAnsible, ensurePythonTools } from './setup/environments.mjs';
import { ensureHelm } from './setup/helm.mjs';
import { ensurePackages } from './setup/packages.mjs';
import { ensurePrograms } from './setup/programs.mjs';
import { ensureTemporal } from './setup/temporal.mjs';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const env = process.env;

/** @type {Readonly<Record<string, readonly string[]>>} */
const STEPS = {
  start: ['programs', 'packages', 'temporal', 'ansible'],
  demo: ['programs', 'server', 'packages', 'temporal', 'ansible'],
  image: ['programs', 'server', 'images', 'packages', 'temporal', 'ansible'],
  test: ['programs', 'server', 'database', 'images', 'packages', 'temporal', 'ansible', 'tools'],
};

/** @type {Readonly<Record<string, () => Promise<void>>>} */
const ACTS = {
  programs: () => ensurePrograms(['git', 'ssh', 'ssh-keygen', 'tar'], env),
  server: () => ensurePrograms(['sshd', 'setpriv'], env),
  database: () => ensurePrograms(['initdb'], env),
  images: () => ensurePrograms(['mksquashfs', 'unsquashfs', 'debootstrap'], env),
  packages: () => ensurePackages(root),
  temporal: () => ensureTemporal(env),
  ansible: () => ensureAnsible(env),
  tools: () => ensurePythonTools(env),
  helm: () => ensureHelm(env),
};

const HELP = `npm run setup -- [options]

Finds or installs what Keelson needs besides Node and npm. What is already there is not changed.

  --for ${Object.keys(STEPS).join('|')}    what to prepare for; default demo
  --only ${Object.keys(ACTS).join('|')}`;

function readOptions() {
  const options = /** @type {const} */ ({
    for: { type: 'string', default: 'demo' },
    only: { type: 'string' },
    help: { type: 'boolean', default: false },
  });
  try {
    return parseArgs({ options }).values;
  } catch (error) {
    throw new SetupError(`${/** @type {Error} */ (error).message}\n\n${HELP}`);
  }
}

async function main() {
  const values = readOptions();
  if (values.help) {
    console.log(HELP);
    return;
  }
  const steps = values.only === undefined ? STEPS[values.for] : [values.only];
  if (steps === undefined) throw new SetupError('--for must be start, demo, image or test.');
  if (process.platform !== 'linux') throw new SetupError('Keelson runs on Linux.');
  mkdirSync(cacheDirectory(env), { recursive: true });
  // Compiling Helm takes minutes, and only tests of the chart wait for it.
  const lock = values.only === 'helm' ? 'helm.lock' : 'setup.lock';
  await withLock(join(cacheDirectory(env), lock), () => act(steps), tellWaiting);
}

/** @param {readonly string[]} steps */
async function act(steps) {
  clearInterval(waiting);
  for (const step of steps) {
    const ensure = ACTS[step];
    if (ensure === undefined)
      throw new SetupError(`--only must be one of ${Object.keys(ACTS).join(', ')}.`);
    await ensure();
  }
}

/** @param {string} pid */
function tellWaiting(pid) {
  console.error(`- Setup: waiting for another setup to finish (process ${pid})`);
  waiting = setInterval(
    () => console.error(`  ... ${Math.round((Date.now() - start) / 1000)} s`),
    PROGRESS_MS,
  );
}

const start = Date.now();
/** @type {NodeJS.Timeout | undefined} */
let waiting;
endChildrenOnSignals();
try {
  await main();
  if (Date.now() - start > 2000)
    console.error(`Setup complete in ${Math.round((Date.now() - start) / 1000)} s.`);
} catch (error) {
  console.error(error instanceof SetupError ? `Setup: ${error.message}` : error);
  process.exitCode = 1;
} finally {
  clearInterval(waiting);
}
