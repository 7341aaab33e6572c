import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { WorkflowHandle } from '@temporalio/client';
import { historyFromJSON, historyToJSON } from '@temporalio/common/lib/proto-utils.js';

const PROJECT = fileURLToPath(new URL('../../', import.meta.url));
const ALL = join(PROJECT, 'test', 'histories');
const { version } = JSON.parse(readFileSync(join(PROJECT, 'package.json'), 'utf8')) as {
  version: string;
};

/** The version under development. Its histories are rewritten until it is released, and never again. */
export const CURRENT = version;

/** The histories of all versions, as `<version>/<name>`. */
export function listHistories(): readonly string[] {
  return readdirSync(ALL, { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.json'))
    .map((name) => name.replace('.json', ''))
    .sort();
}

export function readHistory(name: string) {
  return historyFromJSON(JSON.parse(readFileSync(join(ALL, `${name}.json`), 'utf8')));
}

/** With UPDATE_HISTORIES=1, stores the history under the current version, for every later version to replay. */
export async function saveHistory(
  handle: Pick<WorkflowHandle, 'fetchHistory'>,
  name: string,
): Promise<void> {
  if (process.env['UPDATE_HISTORIES'] !== '1') return;
  const file = join(ALL, CURRENT, `${name}.json`);
  mkdirSync(dirname(file), { recursive: true });
  // Leaves out the paths and processes of the machine that made it.
  const json = historyToJSON(await handle.fetchHistory())
    .replaceAll(PROJECT, './')
    .replaceAll(/[^\s"(]*\/node_modules\//g, './node_modules/')
    .replaceAll(/("identity": ?)"[^"]*"/g, '$1"worker"')
    .replaceAll(/"\d+@[\w.-]+-([0-9a-f]{32})"/g, '"worker-$1"');
  writeFileSync(file, json);
}
