import { expect } from '@jest/globals';
import type { Connection, Database } from '../../src/store/database/database.js';

/** Commits between two queries that read together. */
export async function expectOneView({ read, readTogether, write }: Database): Promise<void> {
  const list = async (db: Connection) =>
    (await db.selectFrom('options').select('name').execute()).map(({ name }) => name);
  const seen = await readTogether(async (db) => {
    const before = await list(db);
    await write((own) =>
      own.insertInto('options').values({ name: 'playbook', value: '"a"' }).execute(),
    );
    return [before, await list(db)];
  });

  expect(seen).toEqual([[], []]);
  expect(await read(list)).toEqual(['playbook']);
  await write((own) => own.deleteFrom('options').execute());
}
