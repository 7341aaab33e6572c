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

/** Those of the version at work: rewritten until it is released, and never again. */
export const CURRENT = version;

/** Of every version, as `<version>/<name>`. */
export function listHistories(): readonly string[] {
  return readdirSync(ALL, { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.json'))
    .map((name) => name.replace('.json', ''))
    .sort();
}

export function readHistory(name: string) {
  return historyFromJSON(JSON.parse(readFileSync(join(ALL, `${name}.json`), 'utf8')));
}

/** With UPDATE_HISTORIES=1 keeps the history among those of this version, for every later one to replay. */
export async function saveHistory(
  handle: Pick<WorkflowHandle, 'fetchHistory'>,
  name: string,
): Promise<void> {
  if (process.env['UPDATE_HISTORIES'] !== '1') return;
  const file = join(ALL, CURRENT, `${name}.json`);
  mkdirSync(dirname(file), { recursive: true });
  // Where and by which process it was made is nobody's business.
  const json = historyToJSON(await handle.fetchHistory())
    .replaceAll(PROJECT, './')
    .replaceAll(/[^\s"(]*\/node_modules\//g, './node_modules/')
    .replaceAll(/("identity": ?)"[^"]*"/g, '$1"worker"')
    .replaceAll(/"\d+@[\w.-]+-([0-9a-f]{32})"/g, '"worker-$1"');
  writeFileSync(file, json);
}
