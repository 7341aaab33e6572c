import { readFileSync } from 'node:fs';
import { CFS_OPTION_NAMES } from '../api/wire/options.js';
import { parseConfig } from '../config.js';
import { omitUndefined } from '../core/omit-undefined.js';
import { createApiRecordStore } from '../migration/api-record-store.js';
import type { RecordStore } from '../migration/record-store.js';
import { KINDS, type Kind } from '../migration/records.js';
import { createDatabaseRecordStore } from '../migration/database-record-store.js';
import { makeDataDirectory } from '../process/data-directory.js';
import { openStore } from '../store/open.js';
import { describeDatabase, openPresentStore } from './database.js';
import { onScreen } from './run.js';

/** The options that export and import share. */
export const RECORD_STORE_OPTIONS = {
  url: { type: 'string' },
  'token-file': { type: 'string' },
  'ca-file': { type: 'string' },
  only: { type: 'string' },
  json: { type: 'boolean' },
  help: { type: 'boolean' },
} as const;

export interface RecordStoreArguments {
  readonly url?: string;
  readonly 'token-file'?: string;
  readonly 'ca-file'?: string;
}

export const RECORD_STORE_HELP = `  --url URL         the API of a CFS, such as http://cray-cfs-api or https://…/apis/cfs; default: the
                    database of this service (DATABASE_URL, or SQLite in KEELSON_DATA)
  --token-file F    bearer token for that API
  --ca-file F       certificate authority of that API, in PEM format
  --only KINDS      ${KINDS.join(',')}, or some of them
  --json            print the report as JSON; with npm run -s, print nothing else`;

const PROGRESS_MS = 1_000;

/** Runs `act` with the record store that the arguments name, then closes it. `makes`: a missing database is created. */
export async function withRecordStore<T>(
  { url, 'token-file': tokenFile, 'ca-file': caFile }: RecordStoreArguments,
  { makes }: { readonly makes: boolean },
  act: (recordStore: RecordStore) => Promise<T>,
): Promise<T> {
  if (url !== undefined) {
    if (!/^https?:$/.test(URL.parse(url)?.protocol ?? ''))
      throw new Error(`--url: "${url}" is not an http or https URL.`);
    const [token, ca] = [readText(tokenFile), readText(caFile)];
    return act(
      createApiRecordStore({
        url,
        ...omitUndefined({ token: token?.trim(), ca }),
      }),
    );
  }
  if (tokenFile !== undefined || caFile !== undefined)
    throw new Error('--token-file and --ca-file need --url.');
  const { database, dataDirectory, sources } = parseConfig(process.env);
  if (makes && database.kind === 'sqlite') makeDataDirectory(dataDirectory);
  const store = makes ? await openStore(database, onScreen) : await openPresentStore(database);
  try {
    const now = () => new Date().toISOString();
    const name = describeDatabase(database);
    return await act(
      createDatabaseRecordStore(store, {
        ...{ name, now, optionNames: CFS_OPTION_NAMES },
        protocols: sources.gitProtocols,
      }),
    );
  } finally {
    await store.close();
  }
}

function readText(path: string | undefined): string | undefined {
  return path === undefined ? undefined : readFileSync(path, 'utf8');
}

export function parseKinds(only: string | undefined): readonly Kind[] {
  if (only === undefined) return KINDS;
  const wanted = only.split(',');
  const unknown = wanted.find((kind) => !KINDS.some((known) => known === kind));
  if (unknown !== undefined)
    throw new Error(`--only: "${unknown}" is none of ${KINDS.join(', ')}.`);
  return KINDS.filter((kind) => wanted.includes(kind));
}

/** Prints a line on stderr from time to time. */
export function toProgress(what: string): (done: number) => void {
  let next = Date.now() + PROGRESS_MS;
  return (done) => {
    if (Date.now() < next) return;
    next = Date.now() + PROGRESS_MS;
    process.stderr.write(`${what}: ${done} …\n`);
  };
}
