import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import type { Store } from '../../src/store/store.js';
import { aNewSession, at } from '../support/store-builders.js';
import { waitFor } from '../support/wait.js';

export interface UpgradeFixture {
  open(): Promise<Store>;
  /** Runs the statements in one transaction of another connection. */
  execute(statements: readonly string[]): Promise<void>;
  remove(): Promise<void>;
}

/** What a migration of the next version may do, to a table that is read with `*` and to one that is not. */
const next = [
  "alter table sessions add column colour text not null default 'none'",
  'alter table phases add column shape text',
  'create table nodes (name text primary key not null)',
  'create index sessions_by_colour on sessions (colour)',
  "insert into kysely_migration (name, timestamp) values ('900-next', '2030-01-01T00:00:00.000Z')",
];

/** This version plays the older one. The newer one is only its migration. */
export function storeUpgradeContract(name: string, create: () => Promise<UpgradeFixture>): void {
  describe(`${name}, migrated by the next version`, () => {
    let fixture: UpgradeFixture;
    beforeEach(async () => {
      fixture = await create();
    });
    afterEach(() => fixture.remove());

    test('is still read and written by this one', async () => {
      const store = await fixture.open();
      const accepted: string[] = [];
      const over = new AbortController();
      const writing = (async () => {
        while (!over.signal.aborted) {
          const { name } = await store.sessions.insert(aNewSession(`s${accepted.length}`));
          accepted.push(name);
        }
      })();
      await waitFor(() => accepted.length > 5);
      await fixture.execute(next);
      const before = accepted.length;
      await waitFor(() => accepted.length > before + 5);
      over.abort();
      await writing;
      await expectWorks(store, accepted);
      await store.close();
    });

    test('is opened again by this one', async () => {
      const before = await fixture.open();
      await before.sessions.insert(aNewSession('before'));
      await before.close();
      await fixture.execute(next);
      const store = await fixture.open();
      await store.sessions.insert(aNewSession('after'));
      await expectWorks(store, ['before', 'after']);
      await store.close();
    });

    test('is refused if the migration belongs to another line of versions', async () => {
      await (await fixture.open()).close();
      await fixture.execute(next.map((sql) => sql.replace('900-next', '001-aside')));
      await expect(fixture.open()).rejects.toThrow('001-aside is missing');
    });
  });
}

async function expectWorks(store: Store, names: readonly string[]): Promise<void> {
  for (const name of names) expect((await store.sessions.find(name))?.name).toBe(name);
  const jobId = (await store.sessions.find(names.at(-1) ?? ''))?.jobId ?? '';
  await store.sessions.claim(jobId, { at: at(1) });
  await store.sessions.recordOutcome(jobId, { succeeded: 'true' }, at(2));
  const { state, outcome } = (await store.sessions.get(jobId)) ?? {};
  expect({ state, outcome }).toEqual({ state: 'complete', outcome: { succeeded: 'true' } });
}
