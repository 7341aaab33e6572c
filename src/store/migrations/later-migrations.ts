import { type Kysely, sql } from 'kysely';
import type { Migration, MigrationProvider } from 'kysely/migration';

const ignored: Migration = { up: () => Promise.resolve() };

/**
 * This version's migrations, and those that a later version has run in this database. Migrations only add, so an earlier
 * version can continue beside a later one and replace it again. An unknown one that sorts between this version's own is from
 * another line of development, and stays an error.
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
