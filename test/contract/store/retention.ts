import { randomBytes } from 'node:crypto';
import { describe, expect, test } from '@jest/globals';
import type { Stores } from '../store-contract.js';
import type { Store } from '../../../src/store/store.js';
import { addPlannedSession, aNewSession, at, readAll } from '../../support/store-builders.js';

const PHASE = 'ansible-0';
/** Incompressible, so that sizes are known. */
const noise = (bytes: number) => new Uint8Array(randomBytes(bytes));

async function addEnded(store: Store, name: string, endedAt: string, log = 0): Promise<string> {
  const jobId = await addPlannedSession(store, name);
  if (log > 0) await appendLog(store, jobId, log);
  await store.sessions.recordOutcome(jobId, { succeeded: 'true' }, endedAt);
  return jobId;
}

async function appendLog(store: Store, jobId: string, bytes: number): Promise<void> {
  const end = (await store.phases.find(jobId, PHASE))?.logBytes ?? 0;
  await store.logs.append(jobId, PHASE, end, noise(bytes));
}

const names = async (store: Store) =>
  (await store.sessions.list({}, { limit: 1000 })).items.map(({ name }) => name);

async function removeAll(store: Store, until: string): Promise<void> {
  while ((await store.retention.removeDeleted(until)) > 0);
}

export function retentionContract(stores: () => Stores): void {
  describe('retention.expireSessions', () => {
    test('hides what ended by then, failed or not, oldest first', async () => {
      const { store, other } = stores();
      await addEnded(store, 'old', at(1));
      const failed = await addPlannedSession(store, 'failed');
      await store.sessions.recordOutcome(failed, { succeeded: 'false' }, at(2));
      await addEnded(store, 'recent', at(4));
      await addPlannedSession(store, 'running');
      expect(await other.retention.expireSessions(at(3), at(10))).toBe(2);
      expect(await other.retention.expireSessions(at(3), at(11))).toBe(0);
      expect(await names(store)).toEqual(['recent', 'running']);
      expect(await store.sessions.get(failed)).toMatchObject({
        desired: 'delete',
        deletedAt: at(10),
      });
    });

    test('does it in pieces', async () => {
      const { store } = stores();
      for (let second = 0; second <= 100; second++) {
        const { jobId } = await store.sessions.insert(aNewSession(`s${second}`));
        await store.sessions.recordOutcome(jobId, { succeeded: 'true' }, at(second));
      }
      expect(await store.retention.expireSessions(at(1000), at(1000))).toBe(100);
      expect(await names(store)).toEqual(['s100']);
    });
  });

  describe('retention.removeDeleted', () => {
    test('removes all that is stored of a session, and nothing of others', async () => {
      const { store, other } = stores();
      const gone = await addEnded(store, 'gone', at(1), 1000);
      await store.stagedFiles.save(gone, 'inventory', noise(10));
      const kept = await addEnded(store, 'kept', at(1), 1000);
      await store.sessions.requestDelete('gone', { at: at(2) });
      await removeAll(other, at(2));
      expect(await store.sessions.get(gone)).toBeUndefined();
      expect(await store.phases.list(gone)).toEqual([]);
      expect(await store.stagedFiles.read(gone)).toEqual({});
      expect((await store.logs.tail(kept, PHASE, 2000)).length).toBe(1000);
    });

    test('takes many hosts and chunks in pieces', async () => {
      const { store } = stores();
      const jobId = await addPlannedSession(store, 'large');
      const row = { ok: 1, changed: 0, failed: 0, skipped: 0, unreachable: 0, incomplete: false };
      for (const sequence of [1, 2, 3]) {
        const hosts = Array.from({ length: 700 }, (_, index) => ({
          host: `x${sequence}-${index}`,
          ...row,
        }));
        await store.hosts.save(jobId, PHASE, { sequence, final: false, hosts });
      }
      for (let chunk = 0; chunk < 65; chunk++) await appendLog(store, jobId, 10);
      await store.sessions.recordOutcome(jobId, { succeeded: 'true' }, at(1));
      await store.sessions.requestDelete('large', { at: at(1) });
      const steps: number[] = [];
      for (let rows = 1; rows > 0; steps.push(rows)) {
        rows = await store.retention.removeDeleted(at(1));
      }
      expect(steps).toEqual([64, 2000, 101, 0]);
      expect(await store.retention.logStoreBytes()).toBe(0);
    });

    test.each([
      ['is not complete', at(1), undefined],
      ['was deleted only now', at(3), at(1)],
      ['ended only now', at(1), at(3)],
    ])('keeps one that %s', async (_, deletedAt, endedAt) => {
      const { store } = stores();
      const jobId = await addPlannedSession(store, 'kept');
      await store.sessions.claim(jobId, { at: at(0) });
      await store.sessions.requestDelete('kept', { at: deletedAt });
      if (endedAt !== undefined)
        await store.sessions.recordOutcome(jobId, { succeeded: 'true' }, endedAt);
      await removeAll(store, at(2));
      expect(await store.sessions.get(jobId)).toBeDefined();
    });

    test('keeps a session whose resources still exist', async () => {
      const { store } = stores();
      const jobId = await addEnded(store, 'kept', at(1));
      await store.resources.note(jobId, 'job', 'x');
      await store.sessions.requestDelete('kept', { at: at(1) });
      await removeAll(store, at(2));
      expect(await store.sessions.get(jobId)).toBeDefined();
      await store.resources.remove(jobId, 'job', 'x');
      await removeAll(store, at(2));
      expect(await store.sessions.get(jobId)).toBeUndefined();
    });
  });

  describe('retention.logStoreBytes', () => {
    test('counts the logs of running and complete sessions, and none that were removed', async () => {
      const { store, other } = stores();
      expect(await store.retention.logStoreBytes()).toBe(0);
      await addEnded(store, 'ended', at(1), 100_000);
      const running = await addPlannedSession(store, 'running');
      await appendLog(store, running, 50_000);
      await appendLog(other, running, 50_000);
      const both = await other.retention.logStoreBytes();
      expect(both).toBeGreaterThanOrEqual(200_000);
      expect(both).toBeLessThan(201_000);
      await store.sessions.recordOutcome(running, { succeeded: 'false' }, at(2));
      expect(await store.retention.logStoreBytes()).toBe(both);
      await store.sessions.requestDelete('ended', { at: at(3) });
      await removeAll(store, at(3));
      const left = await store.retention.logStoreBytes();
      expect(left).toBeGreaterThanOrEqual(100_000);
      expect(left).toBeLessThan(101_000);
    });
  });

  describe('retention.removeOldestLog', () => {
    test('leaves a line that says what was there, whatever offset is read', async () => {
      const { store } = stores();
      const jobId = await addEnded(store, 'a', at(1), 5000);
      expect(await store.retention.removeOldestLog('too large')).toBe(true);
      const line = '[5000 bytes of this log were removed: too large]\n';
      expect(await readAll(store.logs.read(jobId, PHASE, 0))).toBe(line);
      expect(await readAll(store.logs.read(jobId, PHASE, 4999))).toBe(line);
      expect(Buffer.from(await store.logs.tail(jobId, PHASE, 1000)).toString()).toBe(line);
      expect((await store.phases.find(jobId, PHASE))?.logBytes).toBe(5000);
      expect(await store.retention.logStoreBytes()).toBe(0);
      expect(await store.retention.removeOldestLog('too large')).toBe(false);
    });

    test('leaves the line also for a log shorter than the line', async () => {
      const { store } = stores();
      const jobId = await addEnded(store, 'a', at(1), 3);
      await store.retention.removeOldestLog('x');
      expect(await readAll(store.logs.read(jobId, PHASE, 0))).toBe(
        '[3 bytes of this log were removed: x]\n',
      );
    });

    test('begins with the session that ended first, and leaves those that run', async () => {
      const { store } = stores();
      const running = await addPlannedSession(store, 'running');
      await appendLog(store, running, 100);
      const late = await addEnded(store, 'late', at(2), 100);
      const early = await addEnded(store, 'early', at(1), 100);
      await store.retention.removeOldestLog('x');
      const size = async (jobId: string) => (await store.logs.tail(jobId, PHASE, 1000)).length;
      expect([await size(early), await size(late), await size(running)]).toEqual([40, 100, 100]);
      await store.retention.removeOldestLog('x');
      expect(await store.retention.removeOldestLog('x')).toBe(false);
      expect(await size(running)).toBe(100);
    });

    test('removes a long log in pieces, and says so from the first one on', async () => {
      const { store } = stores();
      const jobId = await addPlannedSession(store, 'long');
      const kept = await addPlannedSession(store, 'kept');
      const bytes = noise(10);
      for (const [index, one] of [jobId, kept].entries()) {
        for (let end = 0; end < 700; end += 10) await store.logs.append(one, PHASE, end, bytes);
        await store.sessions.recordOutcome(one, { succeeded: 'true' }, at(1 + index));
      }
      const both = await store.retention.logStoreBytes();
      await store.retention.removeOldestLog('x');
      expect(Buffer.from(await store.logs.tail(jobId, PHASE, 1000)).toString()).toMatch(
        /^.*\[700 bytes of this log were removed: x\]\n$/s,
      );
      expect(await store.retention.removeOldestLog('x')).toBe(true);
      expect(await readAll(store.logs.read(jobId, PHASE, 0))).toBe(
        '[700 bytes of this log were removed: x]\n',
      );
      expect((await store.logs.tail(kept, PHASE, 1000)).length).toBe(700);
      expect(await store.retention.logStoreBytes()).toBe(both / 2);
    });
  });

  describe('sessions.countOpen and countComplete', () => {
    test('count what people see', async () => {
      const { store } = stores();
      await store.sessions.insert(aNewSession('pending'));
      const running = await addPlannedSession(store, 'running');
      await store.sessions.markRunning(running);
      await addEnded(store, 'good', at(1));
      await addEnded(store, 'gone', at(1));
      await store.sessions.requestDelete('gone', { at: at(2) });
      for (const name of ['bad', 'worse']) {
        const jobId = await addPlannedSession(store, name);
        const outcome = { succeeded: 'false', reason: 'TASK_FAILED' } as const;
        await store.sessions.recordOutcome(jobId, outcome, at(1));
      }
      expect(await store.sessions.countOpen()).toEqual({ pending: 1, running: 1 });
      const complete = await store.sessions.countComplete();
      expect(complete).toHaveLength(2);
      expect(complete).toEqual(
        expect.arrayContaining([
          { succeeded: 'true', count: 1 },
          { succeeded: 'false', reason: 'TASK_FAILED', count: 2 },
        ]),
      );
    });
  });
}
