import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  chmodSync,
  copyFileSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { availableParallelism, loadavg, tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { createClient } from '../scripts/demo/client.mjs';
import { importImage } from '../scripts/demo/image.mjs';
import { printTable, printTitle } from '../scripts/demo/print.mjs';
import { removeDemo } from '../scripts/demo/removal.mjs';
import { pause, startService } from '../scripts/demo/service.mjs';
import { createExample } from '../scripts/demo/site.mjs';
import { ensureImageRoot } from '../scripts/lib/image-root.mjs';
import { endProcesses, findProcesses } from '../scripts/lib/processes.mjs';
import { createKey, findFreePort } from '../scripts/lib/ssh-host.mjs';
import { findTools } from '../scripts/lib/tools.mjs';
import { summarize, toSeconds } from './numbers.mjs';
import { runSession } from './session.mjs';

const CONFIGURATION = 'bench';
const script = fileURLToPath(new URL('image-by-hand.sh', import.meta.url));
const defaults = fileURLToPath(new URL('../job/ansible.cfg', import.meta.url));

/**
 * What customizing an image costs, compared with a shell script that unpacks it, opens it over SSH, runs the same two
 * playbooks and packs it with the same compression. Also compares two images at once with one, unless the image is made
 * `more` megabytes larger: packing two large images keeps all cores busy, with Keelson or without.
 * @param {{ rounds: number, json: boolean, more: number }} options @param {AbortSignal} signal
 */
export async function benchImages(options, signal) {
  if (process.getuid?.() !== 0) throw new Error('Only root can unpack and pack images.');
  const small = await ensureImageRoot(process.env);
  const directory = mkdtempSync(join(tmpdir(), 'keelson-bench-'));
  try {
    const root = options.more === 0 ? small : enlarge(small, directory, options.more);
    const result = await measure(directory, root, options, signal);
    if (options.json) console.log(JSON.stringify(result, undefined, 2));
    else print(result);
  } finally {
    await removeDemo(directory);
  }
}

/**
 * Makes a copy of the image that has so many megabytes more, of files below this machine's /usr.
 * @param {string} image @param {string} directory @param {number} megabytes
 */
function enlarge(image, directory, megabytes) {
  const [root, enlarged] = [join(directory, 'root'), join(directory, 'enlarged.squashfs')];
  execFileSync('unsquashfs', ['-no-progress', '-quiet', '-dest', root, image]);
  let missing = megabytes * 1e6;
  const files = execFileSync('find', ['/usr', '-xdev', '-type', 'f'], { maxBuffer: 1e9 });
  for (const file of files.toString().trim().split('\n').sort()) {
    if (missing <= 0) break;
    const copy = join(root, 'opt', 'bench', file);
    mkdirSync(dirname(copy), { recursive: true });
    copyFileSync(file, copy);
    missing -= statSync(copy).size;
  }
  if (missing > 0) throw new Error(`/usr has no ${megabytes} MB of files.`);
  execFileSync('mksquashfs', [
    ...[root, enlarged, '-noappend', '-no-progress', '-quiet'],
    ...['-comp', 'zstd', '-Xcompression-level', '6'],
  ]);
  rmSync(root, { recursive: true });
  return enlarged;
}

/**
 * @param {string} directory @param {string} root @param {{ rounds: number, more: number }} options @param {AbortSignal} signal
 */
async function measure(directory, root, { rounds, more }, signal) {
  const repositories = ['base', 'services', 'hosts'].map((name) => createExample(directory, name));
  const service = await startService(directory, {}, signal);
  const client = createClient(service.api, signal);
  const [first, second] = ['one', 'two'].map((name) =>
    importImage(join(service.data, 'image-service'), root, name),
  );
  if (first === undefined || second === undefined) throw new Error('There are no images.');
  const [base, services, hosts] = repositories.map(({ url, commit }) => ({
    ...{ clone_url: url, commit },
  }));
  await client.put(`/v3/configurations/${CONFIGURATION}`, {
    layers: [base, services].map((layer) => ({ ...layer, playbook: 'site.yml' })),
    additional_inventory: hosts,
  });
  const settle = () => whenSettled(join(service.data, 'image-service', 'work'), signal);
  const customize = async (
    /** @type {string} */ name,
    /** @type {readonly string[]} */ members,
  ) => {
    await settle();
    return runSession(client, name, CONFIGURATION, signal, undefined, {
      target: { definition: 'image', groups: [{ name: 'Compute', members }] },
    });
  };
  const keyFile = join(directory, 'key');
  createKey(keyFile);
  const byHand = async () => {
    await settle();
    return runByHand(directory, root, keyFile, repositories);
  };
  // The first run of each is a warm-up.
  await customize('warm', [first.id]);
  await byHand();
  const load = loadavg()[0];
  const times = { one: [0], two: [0], hand: [0] };
  times.one.pop();
  times.two.pop();
  times.hand.pop();
  for (let round = 1; round <= rounds; round += 1) {
    if (round % 2 === 0) times.hand.push(await byHand());
    times.one.push((await customize(`one-${round}`, [first.id])).total);
    if (round % 2 === 1) times.hand.push(await byHand());
    if (more === 0) times.two.push((await customize(`two-${round}`, [first.id, second.id])).total);
    console.error(`round ${round} of ${rounds}`);
  }
  const over = (/** @type {readonly number[]} */ left, /** @type {readonly number[]} */ right) =>
    summarize(left.map((value, round) => value / (right[round] ?? NaN)));
  return {
    cores: availableParallelism(),
    load,
    bytes: statSync(root).size,
    session: summarize(times.one),
    byHand: summarize(times.hand),
    ratio: over(times.one, times.hand),
    ...(more === 0 ? { two: summarize(times.two), twoOverOne: over(times.two, times.one) } : {}),
  };
}

/**
 * Waits until nothing of the previous run is still being removed or written, because that would slow the next one down.
 * @param {string} work where the image service unpacks @param {AbortSignal} signal
 */
async function whenSettled(work, signal) {
  while (readdirSync(work).length > 0) await pause(signal);
  execFileSync('sync');
}

/**
 * @param {string} directory @param {string} image @param {string} keyFile
 * @param {readonly { url: string }[]} repositories layers first, then the inventory
 */
async function runByHand(directory, image, keyFile, repositories) {
  const { ansiblePlaybook } = findTools(process.env);
  if (ansiblePlaybook === undefined) throw new Error('There is no Ansible. Run: npm run setup');
  const workspace = mkdtempSync(join(directory, 'by-hand-'));
  chmodSync(workspace, 0o755);
  mkdirSync(join(workspace, 'generated'));
  const config = readFileSync(defaults, 'utf8').replace('cfs_linear', 'linear');
  writeFileSync(join(workspace, 'ansible.cfg'), config.replace(/^callbacks_enabled.*\n/m, ''));
  const port = await findFreePort();
  const host = { ansible_host: '127.0.0.1', ansible_port: port, cray_cfs_image: true };
  const inventory = { Compute: { hosts: { image: host } } };
  writeFileSync(join(workspace, 'generated', 'generated.yaml'), JSON.stringify(inventory, null, 1));
  createKey(join(workspace, 'host-key'));
  const argv = [workspace, ansiblePlaybook, keyFile, image, String(port)];
  const start = performance.now();
  const child = spawn('bash', [script, ...argv, ...repositories.map(({ url }) => url)], {
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let output = '';
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (text) => (output += text));
  const [code] = await once(child, 'exit');
  const milliseconds = performance.now() - start;
  await endProcesses(() => findProcesses({ texts: [workspace] }));
  if (code !== 0) throw new Error(`By hand it failed:\n${output}`);
  execFileSync('unsquashfs', ['-lln', join(workspace, 'result.squashfs'), 'opt'], {
    stdio: 'ignore',
  });
  rmSync(workspace, { recursive: true, force: true });
  return milliseconds;
}

/** @param {Awaited<ReturnType<typeof measure>>} result */
function print({ cores, load, bytes, session, byHand, ratio, two, twoOverOne }) {
  console.log(`\n${cores} cores, load ${load?.toFixed(1)} before`);
  printTitle(`A customized image of ${(bytes / 1e6).toFixed(0)} MB`);
  const toRatio = (/** @type {number} */ value) => value.toFixed(3);
  const row = (
    /** @type {string} */ what,
    /** @type {ReturnType<typeof summarize>} */ { median, min, max },
    /** @type {(value: number) => string} */ show = toSeconds,
    target = '',
  ) => [what, show(median), `${show(min)} to ${show(max)}`, target];
  const judge = (/** @type {string} */ text, /** @type {boolean} */ isMet) =>
    `${text}: ${isMet ? 'met' : 'MISSED'}`;
  printTable(
    ['', 'median', 'spread', 'target'],
    [
      row('the session', session),
      row('the same by hand', byHand),
      row('ratio, round by round', ratio, toRatio, judge('<= 1.10', ratio.median <= 1.1)),
      ...(two === undefined ? [] : [row('two images in one session', two)]),
      ...(twoOverOne === undefined
        ? []
        : [
            row(
              'over one, round by round',
              twoOverOne,
              toRatio,
              judge('< 1.3', twoOverOne.median < 1.3),
            ),
          ]),
    ],
  );
}
