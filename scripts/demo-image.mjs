import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { createReadStream, existsSync, mkdtempSync, readFileSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { createClient, waitForEnd } from './demo/client.mjs';
import { importImage } from './demo/image.mjs';
import { createInterrupt } from './demo/interrupt.mjs';
import { dim, green, printTitle, red } from './demo/print.mjs';
import { removeDemo } from './demo/removal.mjs';
import { printOutcome } from './demo/report.mjs';
import { startService } from './demo/service.mjs';
import { createExample } from './demo/site.mjs';
import { ensureImageRoot } from './lib/image-root.mjs';
import { readOptions } from './lib/options.mjs';

const HELP = `npm run demo:image

Customizes a small boot image of Debian packages with a real session on this machine. Only root can unpack and pack images.

Exit codes: 0 as expected, 1 the session failed or its image is wrong, 2 something else went wrong.`;

const NAME = 'demo';

/** @param {string} directory @param {string} root @param {AbortSignal} signal */
async function runDemo(directory, root, signal) {
  const start = Date.now();
  const seconds = () => `${((Date.now() - start) / 1000).toFixed(1)} s`;
  const service = await startService(directory, {}, signal);
  if (service.images === null)
    throw new Error(`The service has no image service; its log says why: ${service.logFile}`);
  console.log(`Service       ${service.api}, image service ${service.images}, after ${seconds()}`);
  const source = importImage(join(service.data, 'image-service'), root, 'compute');
  console.log(`Image         ${source.id} (compute, ${toSize(source.file)}) is registered`);
  const before = await digest(source.file);
  const client = createClient(service.api, signal);
  await client.put(`/v3/configurations/${NAME}`, toConfiguration(directory));
  await client.post('/v3/sessions', {
    name: NAME,
    configuration_name: NAME,
    target: { definition: 'image', groups: [{ name: 'Compute', members: [source.id] }] },
  });
  console.log(`Session       ${NAME} is posted: layers base and services; its log, live:\n`);
  await client.followLines(`/v3/sessions/${NAME}/logs?follow=true`, (line) => {
    console.log(`  ${dim('|')} ${line}`);
  });
  const session = await waitForEnd(client, NAME, signal);
  await printOutcome(client, session, directory);
  const [artifact] = session.status.artifacts;
  if (artifact === undefined) return conclude(false, `no image was made, after ${seconds()}.`);
  const file = join(source.directory, 'boot-images', artifact.result_id, 'rootfs');
  const problems = [
    ...showFiles(directory, source.id, file),
    ...((await digest(source.file)) === before ? [] : ['the source image has changed']),
  ];
  console.log(`  the source image is as it was (SHA-256 ${before.slice(0, 16)}…)`);
  for (const problem of problems) console.log(`  ${red(problem)}`);
  const what = `image ${artifact.result_id} (compute_cfs_${NAME}, ${toSize(file)})`;
  return conclude(problems.length === 0, `${what} was made of ${source.id} in ${seconds()}.`);
}

/** @param {boolean} isRight @param {string} what */
function conclude(isRight, what) {
  console.log(`\n${isRight ? green('Success') : red('Failure')}: ${what}`);
  return isRight ? 0 : 1;
}

/** @param {string} directory */
function toConfiguration(directory) {
  const layer = (/** @type {string} */ name) => ({
    ...{
      name,
      clone_url: createExample(directory, name).url,
      branch: 'main',
      playbook: 'site.yml',
    },
  });
  const hosts = createExample(directory, 'hosts');
  return {
    layers: [layer('base'), layer('services')],
    additional_inventory: { name: 'hosts', clone_url: hosts.url, branch: 'main' },
  };
}

/**
 * Unpacks the new image and returns what is not as expected.
 * @param {string} directory @param {string} imageId @param {string} rootfs
 */
function showFiles(directory, imageId, rootfs) {
  const target = join(directory, 'result');
  execFileSync('unsquashfs', ['-no-progress', '-quiet', '-dest', target, rootfs]);
  printTitle('In the new image');
  const expected = {
    'opt/keelson-example/etc/motd': `This is ${imageId} of the example site.`,
    'opt/keelson-example/etc/node-service.conf': `name = ${imageId}\nport = 8443\n`,
  };
  return Object.entries(expected).flatMap(([path, text]) => {
    const file = join(target, path);
    const content = existsSync(file) ? readFileSync(file, 'utf8') : '';
    console.log(`  /${path}: ${content.split('\n')[0]}`);
    return content.includes(text) ? [] : [`/${path} is not as expected`];
  });
}

/** @param {string} file */
async function digest(file) {
  const hash = createHash('sha256');
  await pipeline(createReadStream(file), hash);
  return hash.digest('hex');
}

/** @param {string} file */
function toSize(file) {
  return `${(statSync(file).size / 1e6).toFixed(0)} MB`;
}

async function main() {
  readOptions(HELP, {}, 2);
  if (process.getuid?.() !== 0) {
    console.error('Only root can unpack and pack images: sudo npm run demo:image');
    return 2;
  }
  // Built once, and not part of the time that the demo measures.
  const root = await ensureImageRoot(process.env);
  const directory = mkdtempSync(join(tmpdir(), 'keelson-demo-'));
  const interrupt = createInterrupt();
  try {
    const code = await runDemo(directory, root, interrupt.signal);
    await removeDemo(directory);
    return code;
  } catch (error) {
    const reason = interrupt.signal.reason ?? error;
    console.error(red(`\n${reason.message}${interrupt.signal.aborted ? ' Cleaning up.' : ''}`));
    await removeDemo(directory);
    return interrupt.signal.aborted ? 130 : 2;
  }
}

process.exitCode = await main();
