import { type Kysely, sql } from 'kysely';

/** The first trigger fills in tags that an earlier version inserts, which does not know the session's columns. */
export async function createSqliteTagTriggers(db: Kysely<unknown>): Promise<void> {
  await sql`create trigger session_tags_filled after insert on session_tags when new.name is null
    begin
      update session_tags set (name, created_at, state, succeeded) =
        (select name, created_at, state, succeeded from sessions where sessions.job_id = new.job_id)
      where job_id = new.job_id and key = new.key;
    end`.execute(db);
  await sql`create trigger sessions_tagged after update of name, created_at, state, succeeded on sessions
    when (old.name, old.created_at, old.state, old.succeeded) is not (new.name, new.created_at, new.state, new.succeeded)
    begin
      update session_tags set name = new.name, created_at = new.created_at, state = new.state, succeeded = new.succeeded
      where job_id = new.job_id;
    end`.execute(db);
}

/** The same triggers as SQLite has. */
export async function createPostgresTagTriggers(db: Kysely<unknown>): Promise<void> {
  await sql`create function fill_session_tag() returns trigger language plpgsql as $$
    begin
      select name, created_at, state, succeeded into new.name, new.created_at, new.state, new.succeeded
      from sessions where sessions.job_id = new.job_id;
      return new;
    end $$`.execute(db);
  await sql`create trigger session_tags_filled before insert on session_tags for each row
    when (new.name is null) execute function fill_session_tag()`.execute(db);
  await sql`create function tag_session() returns trigger language plpgsql as $$
    begin
      update session_tags set name = new.name, created_at = new.created_at, state = new.state, succeeded = new.succeeded
      where job_id = new.job_id;
      return null;
    end $$`.execute(db);
  await sql`create trigger sessions_tagged after update of name, created_at, state, succeeded on sessions for each row
    when ((old.name, old.created_at, old.state, old.succeeded)
      is distinct from (new.name, new.created_at, new.state, new.succeeded))
    execute function tag_session()`.execute(db);
}
