import { parseArgs } from 'node:util';
import { exportRecords } from '../migration/files.js';
import type { Kind } from '../migration/records.js';
import {
  parseKinds,
  RECORD_STORE_HELP,
  RECORD_STORE_OPTIONS,
  toProgress,
  withRecordStore,
} from './record-stores.js';
import { runCommand } from './run.js';

const HELP = `npm run export -- [options] DIRECTORY

Writes sources, options, configurations and components, as the v3 lists return them, to sources.json, options.json,
configurations.json and components.json. The files contain no credentials.

${RECORD_STORE_HELP}`;

await runCommand(async () => {
  const { values, positionals } = parseArgs({
    options: RECORD_STORE_OPTIONS,
    allowPositionals: true,
  });
  const [directory, more] = positionals;
  if (values.help === true) return HELP;
  if (directory === undefined || more !== undefined)
    throw new Error('Name one directory: npm run export -- DIRECTORY (--help tells more).');
  const kinds = parseKinds(values.only);
  const { signal } = new AbortController();
  const counts = await withRecordStore(values, { makes: false }, (recordStore) => {
    const tell = new Map(
      kinds.map((kind) => [kind, toProgress(`${recordStore.name}: ${kind}`)] as const),
    );
    const onProgress = (kind: Kind, done: number) => tell.get(kind)?.(done);
    return exportRecords(recordStore, kinds, directory, { onProgress, signal });
  });
  if (values.json === true) return JSON.stringify({ directory, records: counts });
  const lines = Object.entries(counts).map(([kind, count]) => `${kind}: ${count}`);
  return [...lines, `Written to ${directory}. Next: npm run import -- --dry-run ${directory}`].join(
    '\n',
  );
});
