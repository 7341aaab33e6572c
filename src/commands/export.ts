import { parseArgs } from 'node:util';
import { exportKind } from '../migration/files.js';
import { parseKinds, PLACE_HELP, PLACE_OPTIONS, toProgress, withPlace } from './places.js';
import { runCommand } from './run.js';

const HELP = `npm run export -- [options] DIRECTORY

Writes sources, options, configurations and components as the v3 lists show them: sources.json, options.json,
configurations.json, components.json. No credentials are in them.

${PLACE_HELP}`;

await runCommand(async () => {
  const { values, positionals } = parseArgs({ options: PLACE_OPTIONS, allowPositionals: true });
  const [directory, more] = positionals;
  if (values.help === true) return HELP;
  if (directory === undefined || more !== undefined)
    throw new Error('Name one directory: npm run export -- DIRECTORY (--help tells more).');
  const kinds = parseKinds(values.only);
  const { signal } = new AbortController();
  const counts = await withPlace(values, { makes: false }, async (place) => {
    const written: Record<string, number> = {};
    for (const kind of kinds) {
      const onProgress = toProgress(`${place.name}: ${kind}`);
      written[kind] = await exportKind(place, kind, directory, { onProgress, signal });
    }
    return written;
  });
  if (values.json === true) return JSON.stringify({ directory, records: counts });
  const lines = Object.entries(counts).map(([kind, count]) => `${kind}: ${count}`);
  return [...lines, `Written to ${directory}. Next: npm run import -- --dry-run ${directory}`].join(
    '\n',
  );
});
