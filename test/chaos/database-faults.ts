import { PHASES } from '../support/kill-site.js';
import { STEPS } from '../support/kill-steps.js';
import type { PostgresServer } from '../support/postgres-server.js';
import { waitFor } from '../support/wait.js';
import { stayAway, type Fault } from './fault.js';
import { fillDisk, openDatabase, type Stand } from './stand.js';

/** Longer than the store waits for a lock, so that writes fail. */
const LOCKED_MS = 12_000;
const AWAY = [1, 10] as const;

const lock: Fault = {
  name: 'database-locked',
  what: `another process locks the database for ${LOCKED_MS / 1000} s`,
  stand: 'sqlite',
  moments: ['POST', ...STEPS, 'start', ...PHASES, 'hold'],
  promised: 'untouched',
  async strike({ stand: { cluster }, locksDatabase, letSomeGo }) {
    // Held steps already wait for such a lock.
    if (locksDatabase) {
      await stayAway(LOCKED_MS);
      return undefined;
    }
    const database = openDatabase(cluster, 60_000);
    database.exec('BEGIN IMMEDIATE');
    letSomeGo();
    await stayAway(LOCKED_MS);
    database.exec('COMMIT');
    database.close();
    return undefined;
  },
};

const fill: Fault = {
  name: 'disk-full',
  what: 'the file system of the database is full',
  stand: 'small',
  moments: ['POST', 'start', ...PHASES, 'hold'],
  promised: 'untouched',
  async strike({ stand, random, letSomeGo }) {
    const makeRoom = fillDisk(stand.cluster);
    letSomeGo();
    await whenRefused(stand, `full-${random.between(1, 2 ** 31)}`);
    await stayAway(1000 * random.between(...AWAY));
    makeRoom();
    return undefined;
  },
};

function fail(
  name: string,
  what: string,
  begin: (server: PostgresServer) => Promise<() => Promise<void> | void>,
): Fault {
  return {
    name,
    what: `PostgreSQL ${what}`,
    stand: 'postgres',
    moments: ['POST', 'start', ...PHASES, 'hold'],
    promised: 'untouched',
    async strike({ stand: { postgres }, random, letSomeGo }) {
      if (postgres === undefined) throw new Error('There is no PostgreSQL.');
      const end = await begin(postgres);
      letSomeGo();
      await stayAway(1000 * random.between(...AWAY));
      await end();
      return undefined;
    },
  };
}

async function whenRefused({ cluster }: Stand, name: string): Promise<void> {
  await waitFor(
    async () =>
      (await cluster.ask('POST', '/v3/sessions', { name, configuration_name: 'killed' })).status ===
      503,
    { what: 'the API to refuse for want of space' },
  );
}

export const databaseFaults: readonly Fault[] = [
  lock,
  fill,
  fail('postgres-restart', 'is restarted', async (server) => {
    await server.stop();
    return () => server.start();
  }),
  fail('postgres-kill', 'is killed', async (server) => {
    await server.kill();
    return () => server.start();
  }),
  fail('postgres-read-only', 'takes no writes', async (server) => {
    await server.setReadOnly(true);
    return () => server.setReadOnly(false);
  }),
  fail('postgres-silent', 'does not answer', (server) => Promise.resolve(server.freeze())),
];
