import { sql } from 'kysely';
import type { Connection, Database } from '../database/database.js';
import type { NotificationStore } from '../store.js';

export function createNotificationStore(database: Database): NotificationStore {
  const { read, write, writeAtOnce } = database;
  return {
    turnOn: () =>
      writeAtOnce(async (db) => {
        const query = db.updateTable('deployment').set({ notifies: 1 });
        const { numUpdatedRows } = await query.where('notifies', '=', 0).executeTakeFirst();
        return numUpdatedRows > 0n;
      }),
    turnOff: () =>
      write(async (db) => {
        const query = db.updateTable('deployment').set({ notifies: 0 });
        await query.where('notifies', '=', 1).execute();
        const { numDeletedRows } = await db.deleteFrom('notifications').executeTakeFirst();
        return Number(numDeletedRows);
      }),
    listDue: (page) => listDue(database, page),
    listUntold: ({ from = '', until, limit }) =>
      read((db) =>
        selectDue(db)
          .where('notifications.handed_at', '>=', from)
          .where('notifications.handed_at', '<=', until)
          .orderBy(sql`random()`)
          .limit(limit)
          .execute(),
      ),
    recordHandedOver: (jobIds, at) =>
      writeAtOnce(async (db) => {
        const query = db.updateTable('notifications').set({ handed_at: at });
        await query.where('job_id', 'in', jobIds).execute();
      }),
    remove: (jobIds) =>
      writeAtOnce(async (db) => {
        await db.deleteFrom('notifications').where('job_id', 'in', jobIds).execute();
      }),
    count: () =>
      read(async (db) => {
        const query = db.selectFrom('notifications').select((eb) => eb.fn.countAll().as('count'));
        return Number((await query.executeTakeFirstOrThrow()).count);
      }),
  };
}

function listDue(
  { read }: Database,
  { limit, afterId }: Parameters<NotificationStore['listDue']>[0],
): ReturnType<NotificationStore['listDue']> {
  return read(async (db) => {
    let query = selectDue(db).where('notifications.handed_at', 'is', null);
    if (afterId !== undefined) query = query.where('notifications.job_id', '>', afterId);
    return query.orderBy('notifications.job_id').limit(limit).execute();
  });
}

function selectDue(db: Connection) {
  return db
    .selectFrom('notifications')
    .innerJoin('sessions', 'sessions.job_id', 'notifications.job_id')
    .select(['notifications.job_id as jobId', 'sessions.name', 'sessions.succeeded']);
}
