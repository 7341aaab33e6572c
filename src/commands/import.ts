import { parseArgs } from 'node:util';
import { readExported } from '../migration/files.js';
import { importKind, type KindReport } from '../migration/move.js';
import {
  parseKinds,
  RECORD_STORE_HELP,
  RECORD_STORE_OPTIONS,
  toProgress,
  withRecordStore,
} from './record-stores.js';
import { runCommand } from './run.js';

const HELP = `npm run import -- [options] DIRECTORY

Imports what npm run export has written, or the answers of a CFS to its v3 lists. Writes only what differs, so it may be
repeated. Records that are not in the files are kept.

  --dry-run         only show what would change and, for a database, what would be refused
${RECORD_STORE_HELP}`;

/** The most lines printed for each kind of change; --json prints all. */
const MOST_SHOWN = 20;
const MOST_CHARACTERS = 80;

await runCommand(async () => {
  const { values, positionals } = parseArgs({
    options: { ...RECORD_STORE_OPTIONS, 'dry-run': { type: 'boolean' } },
    allowPositionals: true,
  });
  const [directory, more] = positionals;
  if (values.help === true) return HELP;
  if (directory === undefined || more !== undefined)
    throw new Error('Name one directory: npm run import -- DIRECTORY (--help tells more).');
  const dryRun = values['dry-run'] === true;
  const { signal } = new AbortController();
  const files = parseKinds(values.only).flatMap((kind) => {
    const records = readExported(directory, kind);
    return records === undefined ? [] : [{ kind, records }];
  });
  if (files.length === 0)
    throw new Error(
      `${directory} contains none of sources.json, options.json, configurations.json, components.json.`,
    );
  const { name, reports } = await withRecordStore(
    values,
    { makes: !dryRun },
    async (recordStore) => {
      const done: KindReport[] = [];
      for (const { kind, records } of files) {
        const onProgress = toProgress(`${kind} to ${recordStore.name}`);
        done.push(await importKind(recordStore, kind, records, { dryRun, onProgress, signal }));
      }
      return { name: recordStore.name, reports: done };
    },
  );
  if (reports.some(({ refused }) => refused.length > 0)) process.exitCode = 1;
  if (values.json === true) return JSON.stringify({ dryRun, kinds: reports });
  return [`${name}:`, ...reports.map((report) => render(report, dryRun))].join('\n');
});

function render(report: KindReport, dryRun: boolean): string {
  const { kind, read, added, changed, same, onlyThere, refused, notes } = report;
  const would = dryRun ? ' (dry run: nothing was written)' : '';
  const only = onlyThere === 0 ? '' : `, ${onlyThere} exist only there and are kept`;
  return [
    `${kind}: ${read} read, ${added.length} new, ${changed.length} changed, ${same} equal, ${refused.length} refused${only}${would}`,
    ...shorten(added.map((key) => `  + ${key}`)),
    ...shorten(
      changed.flatMap(({ key, changes }) =>
        changes.map(
          ({ member, before, after }) =>
            `  ~ ${key}: ${member} ${toText(before)} → ${toText(after)}`,
        ),
      ),
    ),
    ...notes.map(({ key, why }) => `  ! ${key}: ${why}`),
    ...refused.map(({ key, why }) => `  - ${key}: ${why}`),
  ].join('\n');
}

function shorten(lines: readonly string[]): readonly string[] {
  if (lines.length <= MOST_SHOWN) return lines;
  return [...lines.slice(0, MOST_SHOWN), `  … and ${lines.length - MOST_SHOWN} more (--json)`];
}

function toText(value: unknown): string {
  const text = value === undefined ? 'nothing' : JSON.stringify(value);
  return text.length <= MOST_CHARACTERS ? text : `${text.slice(0, MOST_CHARACTERS)}…`;
}
