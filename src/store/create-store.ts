import { sql } from 'kysely';
import { createAdmissionStore } from './sessions/admission.js';
import { createBatchStore } from './batches/batches.js';
import { createChangeFeed } from './database/changes.js';
import { createComponentStore } from './components/components.js';
import { createConfigurationStore } from './configurations/configurations.js';
import { openDatabase } from './database/database.js';
import { createDesiredReader } from './components/desired-layers.js';
import type { StoreDialect } from './database/dialect.js';
import { createHostStore } from './jobs/hosts.js';
import { createLogStore } from './jobs/logs.js';
import { createMasterKeyStore } from './master-key.js';
import { createNotificationStore } from './notifications/notifications.js';
import { createOptionStore } from './options.js';
import { createPhaseStore } from './jobs/phases.js';
import { createResourceStore } from './sessions/resources.js';
import { createRetentionStore } from './sessions/retention.js';
import { createSessionStore } from './sessions/sessions.js';
import { createSourceStore } from './configurations/sources.js';
import { createStagedFileStore } from './sessions/staged-files.js';
import type { Store } from './store.js';
import { createSweepStore } from './sessions/sweep.js';

export async function createStore(dialect: StoreDialect): Promise<Store> {
  const feed = createChangeFeed(dialect);
  const database = await openDatabase(dialect, feed);
  const components = { ...database, reader: createDesiredReader(dialect) };
  return {
    sessions: createSessionStore(database),
    configurations: createConfigurationStore(database),
    sources: createSourceStore(database),
    components: createComponentStore(components),
    batches: createBatchStore(components),
    options: createOptionStore(database),
    phases: createPhaseStore(database),
    logs: createLogStore(database),
    hosts: createHostStore(components),
    stagedFiles: createStagedFileStore(database),
    resources: createResourceStore(database),
    sweep: createSweepStore(database),
    admission: createAdmissionStore(database),
    retention: createRetentionStore(database),
    notifications: createNotificationStore(database),
    masterKey: createMasterKeyStore(database),
    deploymentId: () =>
      database.read(async (db) => {
        const query = db.selectFrom('deployment').select('deployment_id');
        return (await query.executeTakeFirstOrThrow()).deployment_id;
      }),
    subscribe: feed.subscribe,
    ping: () =>
      database.read(async (db) => {
        dialect.checkFile?.();
        await sql`select 1`.execute(db);
      }),
    ...(dialect.pool === undefined ? {} : { pool: dialect.pool }),
    async close() {
      feed.close();
      await database.close();
      await dialect.close?.();
    },
  };
}
