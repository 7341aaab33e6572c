import type { Database } from './database/database.js';
import type { MasterKeyStore } from './store.js';

export function createMasterKeyStore({ read, write }: Database): MasterKeyStore {
  const find = () =>
    read(async (db) => {
      const query = db.selectFrom('deployment').select('key_digest');
      return (await query.executeTakeFirstOrThrow()).key_digest ?? undefined;
    });
  return {
    find,
    bind: async (digest) => {
      await write((db) =>
        db
          .updateTable('deployment')
          .set({ key_digest: digest })
          .where('key_digest', 'is', null)
          .execute(),
      );
      return (await find()) ?? digest;
    },
    forget: () =>
      write(async (db) => {
        await db.updateTable('deployment').set({ key_digest: null }).execute();
      }),
  };
}
