import type { Database } from '../database/database.js';
import type { StagedFileStore } from '../store.js';

export function createStagedFileStore({ read, writeAtOnce }: Database): StagedFileStore {
  return {
    save: (jobId, name, gzip) =>
      writeAtOnce(async (db) => {
        await db
          .insertInto('staged_files')
          .values({ job_id: jobId, name, gzip })
          .onConflict((conflict) => conflict.columns(['job_id', 'name']).doUpdateSet({ gzip }))
          .execute();
      }),
    read: (jobId) =>
      read(async (db) => {
        const query = db.selectFrom('staged_files').select(['name', 'gzip']);
        const rows = await query.where('job_id', '=', jobId).orderBy('name').execute();
        return Object.fromEntries(rows.map(({ name, gzip }) => [name, gzip]));
      }),
    remove: (jobId) =>
      writeAtOnce(async (db) => {
        await db.deleteFrom('staged_files').where('job_id', '=', jobId).execute();
      }),
  };
}
