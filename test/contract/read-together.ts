import { expect } from '@jest/globals';
import { createComponentStore } from '../../src/store/components/components.js';
import {
  createDesiredReader,
  type DesiredReader,
} from '../../src/store/components/desired-layers.js';
import { createConfigurationStore } from '../../src/store/configurations/configurations.js';
import type { Connection, Database } from '../../src/store/database/database.js';
import { at } from '../support/store-builders.js';

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

/** Commits another configuration, and the component's change to it, between the queries that read the component. */
export async function expectOneMoment(database: Database): Promise<void> {
  const reader = createDesiredReader(database.dialect);
  const configurations = createConfigurationStore(database);
  const save = (name: string) =>
    configurations.save({
      name,
      lastUpdated: '2026-01-01T00:00:00Z',
      layers: [{ cloneUrl: 'https://git.example.org/a.git', commit: name }],
    });
  const plain = createComponentStore({ ...database, reader });
  await save('before');
  await plain.put([{ id: 'x1', desiredConfig: 'before' }], at(0), ({ id }) => id);
  const changing: DesiredReader = {
    ...reader,
    async read(db, names) {
      await save('after');
      await plain.patch([{ id: 'x1', desiredConfig: 'after' }], at(1), ({ id }) => id);
      await configurations.remove('before');
      return reader.read(db, names);
    },
  };

  const seen = await createComponentStore({ ...database, reader: changing }).find('x1');
  const layers = seen?.desiredState.map(({ commit }) => commit);
  expect([seen?.component.desiredConfig, seen?.status, layers]).toEqual([
    ...['before', 'pending'],
    ['before'],
  ]);
  await plain.remove('x1');
  await configurations.remove('after');
}
