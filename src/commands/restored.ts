import { existsSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { parseConfig } from '../config.js';
import { lockDirectory } from '../process/directory-lock.js';
import { describeDatabase, openPresentStore } from './database.js';
import { runCommand } from './run.js';

const HELP = `npm run restored -- [--json | --new-key]

Run this after restoring the database from a backup, before API and workers start again. Sessions that are not complete
then attach to the job that they have and never launch one, because they may have run after the backup was made.

  --json     print the names as JSON; with npm run -s, print nothing else
  --new-key  instead: accept a new key, because the one in MASTER_KEY_FILE is lost. The next process to start sets it.
             Then give the credentials of sources again.`;

await runCommand(async () => {
  const { values } = parseArgs({
    options: {
      json: { type: 'boolean' },
      'new-key': { type: 'boolean' },
      help: { type: 'boolean' },
    },
  });
  if (values.help === true) return HELP;
  const { database, dataDirectory } = parseConfig(process.env);
  await refuseRunning(dataDirectory);
  const store = await openPresentStore(database);
  try {
    if (values['new-key'] === true) {
      await store.masterKey.forget();
      return `${describeDatabase(database)}: the next process to start sets the new key. Give the credentials of sources again.`;
    }
    const sessions = await store.sweep.attachOnly();
    if (values.json === true) return JSON.stringify({ sessions });
    return [
      `${describeDatabase(database)}:`,
      ...sessions,
      sessions.length === 0
        ? 'Every session is complete. Start the API and the workers of all machines.'
        : `Sessions that are not complete: ${sessions.length}. They may attach to a job, and launch none. Start the workers of all machines, then the API.`,
    ].join('\n');
  } finally {
    await store.close();
  }
});

/**
 * A running service could be launching sessions, which would then be lost. Processes that run separately cannot be seen here.
 */
async function refuseRunning(dataDirectory: string): Promise<void> {
  if (!existsSync(dataDirectory)) return;
  const lock = await lockDirectory(dataDirectory, 'service', 0).catch((cause: unknown) => {
    throw new Error(`A service runs in ${dataDirectory}. Stop it, and every worker, first.`, {
      cause,
    });
  });
  await lock.close();
}
