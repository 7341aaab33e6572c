import { type Kysely, sql } from 'kysely';
import type { Migration, MigrationProvider } from 'kysely/migration';

const ignored: Migration = { up: () => Promise.resolve() };

/**
 * Our migrations, and those that a later version has made in this database: they only add, so that the version before it goes
 * on beside it, and may take its place again. One that lacks between ours is of another line, and stays an error.
 */
export function provideMigrations<T>(
  db: Kysely<T>,
  own: Readonly<Record<string, Migration>>,
): MigrationProvider {
  const last = Object.keys(own).sort().at(-1) ?? '';
  return {
    async getMigrations() {
      const { rows } = await sql<{ name: string }>`select name from kysely_migration`.execute(db);
      const later = rows.filter(({ name }) => name > last);
      return { ...own, ...Object.fromEntries(later.map(({ name }) => [name, ignored])) };
    },
  };
}
