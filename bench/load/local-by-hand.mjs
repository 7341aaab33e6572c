import { execFile } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { findTools } from '../../scripts/lib/tools.mjs';

/** What the job of a session of the part `local` does, as somebody would type it. */
const SCRIPT = `
set -euo pipefail
git clone --quiet --depth=1 -- "$2" layer
"$1/ansible-inventory" -i inventory.yaml --list > listed
"$1/ansible-playbook" -i inventory.yaml layer/site.yml > log
`;

const INVENTORY = 'lab:\n  hosts:\n    node1:\n    node2:\n';

/**
 * Runs the same git clone, ansible-inventory and playbook without Keelson, as many at a time, each in a folder of its own.
 * @param {string} repository its URL @param {{ count: number, atOnce: number, signal: AbortSignal }} load
 * @returns {Promise<number>} runs per second
 */
export async function runByHand(repository, { count, atOnce, signal }) {
  const { ansiblePlaybook } = findTools(process.env);
  if (ansiblePlaybook === undefined) throw new Error('There is no Ansible. Run: npm run setup');
  const folder = mkdtempSync(join(tmpdir(), 'keelson-by-hand-'));
  let begun = 0;
  const work = async () => {
    while (begun < count) {
      begun += 1;
      const workspace = join(folder, String(begun));
      mkdirSync(workspace);
      writeFileSync(join(workspace, 'inventory.yaml'), INVENTORY);
      const env = { ...process.env, HOME: workspace, LANG: 'C.UTF-8' };
      const args = ['-c', SCRIPT, 'by-hand', dirname(ansiblePlaybook), repository];
      await promisify(execFile)('bash', args, { cwd: workspace, env, signal });
    }
  };
  const begin = performance.now();
  await Promise.all(Array.from({ length: atOnce }, work));
  const seconds = (performance.now() - begin) / 1000;
  rmSync(folder, { recursive: true });
  return count / seconds;
}
