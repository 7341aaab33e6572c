import { type Kysely, sql } from 'kysely';

/** A trigger, so that an end is noted whoever completes the session, an earlier version too. External sessions are left out. */
export async function createSqliteNotificationTrigger(db: Kysely<unknown>): Promise<void> {
  await sql`create trigger sessions_noted after update of state on sessions
    when new.state = 'complete' and old.state <> 'complete' and new.external = 0
    begin
      insert into notifications (job_id)
      select new.job_id from deployment where id = 1 and notifies = 1 on conflict do nothing;
    end`.execute(db);
}

/** The same trigger as SQLite has. */
export async function createPostgresNotificationTrigger(db: Kysely<unknown>): Promise<void> {
  await sql`create function note_session() returns trigger language plpgsql as $$
    begin
      insert into notifications (job_id)
      select new.job_id from deployment where id = 1 and notifies = 1 on conflict do nothing;
      return null;
    end $$`.execute(db);
  await sql`create trigger sessions_noted after update of state on sessions for each row
    when (new.state = 'complete' and old.state <> 'complete' and new.external = 0)
    execute function note_session()`.execute(db);
}
