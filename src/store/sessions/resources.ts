import type { Database } from '../database/database.js';
import type { ResourceStore } from '../store.js';

export function createResourceStore({ read, write }: Database): ResourceStore {
  return {
    note: (jobId, kind, key) =>
      write(async (db) => {
        const { last } = await db
          .selectFrom('resources')
          .select((eb) => eb.fn.coalesce(eb.fn.max('position'), eb.lit(0)).as('last'))
          .where('job_id', '=', jobId)
          .executeTakeFirstOrThrow();
        await db
          .insertInto('resources')
          .values({ job_id: jobId, kind, key, position: last + 1 })
          .onConflict((conflict) => conflict.doNothing())
          .execute();
      }),
    list: (jobId) =>
      read((db) =>
        db
          .selectFrom('resources')
          .select(['kind', 'key'])
          .where('job_id', '=', jobId)
          .orderBy('position')
          .orderBy('kind')
          .orderBy('key')
          .execute(),
      ),
    remove: (jobId, kind, key) =>
      write(async (db) => {
        const query = db.deleteFrom('resources').where('job_id', '=', jobId);
        await query.where('kind', '=', kind).where('key', '=', key).execute();
      }),
  };
}
