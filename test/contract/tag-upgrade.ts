import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import type { SessionFilter } from '../../src/store/store.js';
import { at } from '../support/store-builders.js';
import type { UpgradeFixture } from './store-upgrade.js';

export interface TagUpgradeFixture extends UpgradeFixture {
  /** Migrates a new database up to this migration, as the earlier version did. */
  migrateTo(migration: string): Promise<void>;
  /** The statements with which that version inserts a session with the tag `owner=ann`. */
  toInsert(name: string): readonly string[];
  countRows(query: string): Promise<number>;
}

/** Tags whose columns differ from those of their session. */
const unequal = `select job_id from session_tags join sessions using (job_id)
  where ${['name', 'created_at', 'state', 'succeeded'].map((column) => `session_tags.${column} is distinct from sessions.${column}`).join(' or ')}`;

/** Version 0.1 writes only key and value of tags, also while it still runs beside this version during an upgrade. */
export function tagUpgradeContract(name: string, create: () => Promise<TagUpgradeFixture>): void {
  describe(`${name}, with tags of the previous version`, () => {
    let fixture: TagUpgradeFixture;
    beforeEach(async () => {
      fixture = await create();
    });
    afterEach(() => fixture.remove());

    test('finds them, also after that version changes their sessions', async () => {
      await fixture.migrateTo('013-component-tags');
      await fixture.execute([...fixture.toInsert('a'), toComplete('a'), ...fixture.toInsert('b')]);
      const store = await fixture.open();
      await fixture.execute([...fixture.toInsert('c'), ...fixture.toInsert('d'), toComplete('b')]);
      await fixture.execute([toComplete('d')]);
      const names = async (filter: SessionFilter) => {
        const tagged = { tags: { owner: 'ann' }, ...filter };
        const { items } = await store.sessions.list(tagged, { limit: 10 });
        return items.map((session) => session.name);
      };

      expect(await names({})).toEqual(['a', 'b', 'c', 'd']);
      expect(await names({ state: 'complete' })).toEqual(['a', 'b', 'd']);
      expect(await names({ state: 'pending' })).toEqual(['c']);
      expect(await names({ succeeded: 'true', createdFrom: at(0) })).toEqual(['a', 'b', 'd']);
      await fixture.execute([`update sessions set created_at = '${at(7)}' where name = 'c'`]);
      expect(await fixture.countRows('select job_id from session_tags')).toBe(4);
      expect(await fixture.countRows(unequal)).toBe(0);
      await store.close();
    });
  });
}

function toComplete(name: string): string {
  return `update sessions set state = 'complete', succeeded = 'true', completed_at = '${at(9)}' where name = '${name}'`;
}
