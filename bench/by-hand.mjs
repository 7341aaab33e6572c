import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { endProcesses, findProcesses } from '../scripts/lib/processes.mjs';
import { findTools } from '../scripts/lib/tools.mjs';

const script = fileURLToPath(new URL('by-hand.sh', import.meta.url));
const defaults = fileURLToPath(new URL('../job/ansible.cfg', import.meta.url));

/**
 * Runs the demo's clones and playbooks without Keelson, in a workspace of their own.
 * @param {string} directory @param {Awaited<ReturnType<typeof import('../scripts/demo/site.mjs').createSite>>} site
 * @param {string} generated directory of the files that a session added to the inventory
 * @returns {Promise<number>} milliseconds
 */
export async function runByHand(directory, site, generated) {
  const { ansiblePlaybook } = findTools(process.env);
  if (ansiblePlaybook === undefined) throw new Error('There is no Ansible. Run: npm run setup');
  const workspace = mkdtempSync(join(directory, 'by-hand-'));
  const log = join(workspace, 'log');
  // Keelson's strategies are copies of Ansible's own, so by hand the latter are used.
  const config = readFileSync(defaults, 'utf8').replace('cfs_linear', 'linear');
  writeFileSync(join(workspace, 'ansible.cfg'), config.replace(/^callbacks_enabled.*\n/m, ''));
  const repositories = [site.inventory, site.base, site.services].map(({ url }) => url);
  const start = performance.now();
  const child = spawn(
    'bash',
    [...[script, workspace, ansiblePlaybook, site.keyFile], ...[generated, ...repositories]],
    { stdio: ['ignore', 'pipe', 'pipe'] },
  );
  let output = '';
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (text) => (output += text));
  // Waits for `exit`, not `close`, because SSH's master process keeps the pipe open.
  const [code] = await once(child, 'exit');
  const milliseconds = performance.now() - start;
  await endProcesses(() => findProcesses({ texts: [`${workspace}/control`] }));
  if (code !== 0) throw new Error(`By hand it failed:\n${output}`);
  writeFileSync(log, output);
  rmSync(workspace, { recursive: true, force: true });
  return milliseconds;
}
