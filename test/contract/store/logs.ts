import { createHash, randomBytes } from 'node:crypto';
import { gunzipSync, gzipSync } from 'node:zlib';
import { describe, expect, test } from '@jest/globals';
import type { Store } from '../../../src/store/store.js';
import { addPlannedSession, at, count, readAll } from '../../support/store-builders.js';
import type { Stores } from '../store-contract.js';

const PHASE = 'ansible-0';

export function logContract(stores: () => Stores): void {
  const append = (store: Store, jobId: string, offset: number, text: string) =>
    store.logs.append(jobId, PHASE, offset, Buffer.from(text));
  const seal = (store: Store, jobId: string) =>
    store.phases.seal(jobId, PHASE, { kind: 'killed', reason: 'stopped' }, at(9));

  describe('logs.append', () => {
    test('stores each byte once, whatever is repeated', async () => {
      const { store, other } = stores();
      const jobId = await addPlannedSession(store);

      expect(await append(store, jobId, 0, 'hello ')).toEqual({ kind: 'stored', end: 6 });
      expect(await append(other, jobId, 0, 'hello ')).toEqual({ kind: 'stored', end: 6 });
      expect(await append(store, jobId, 2, 'llo world')).toEqual({ kind: 'stored', end: 11 });
      expect(await append(store, jobId, 1, 'ello')).toEqual({ kind: 'stored', end: 11 });
      expect(await append(store, jobId, 11, '')).toEqual({ kind: 'stored', end: 11 });
      expect(await readAll(other.logs.read(jobId, PHASE, 0))).toBe('hello world');
      expect((await store.phases.find(jobId, PHASE))?.logBytes).toBe(11);
    });

    test('takes compressed bytes, even if part of them is stored already', async () => {
      const { store } = stores();
      const jobId = await addPlannedSession(store);
      const lines = Buffer.from('ok: [x1000c0s0b0n0]\n'.repeat(500));
      const half = lines.length / 2;

      for (const offset of [0, half, half]) {
        const end = offset + lines.length;
        const stored = await store.logs.append(jobId, PHASE, offset, lines, gzipSync(lines));
        expect(stored).toEqual({ kind: 'stored', end });
      }

      const log = await readAll(store.logs.read(jobId, PHASE, 0));
      expect(log).toBe(lines.toString() + lines.toString('utf8', half));
    });

    test('names the offset where a gap would arise', async () => {
      const { store } = stores();
      const jobId = await addPlannedSession(store);
      await append(store, jobId, 0, 'hello');

      expect(await append(store, jobId, 6, 'x')).toEqual({ kind: 'mismatch', expected: 5 });
      expect(await readAll(store.logs.read(jobId, PHASE, 0))).toBe('hello');
    });

    test('takes only a repeat once sealed', async () => {
      const { store } = stores();
      const jobId = await addPlannedSession(store);
      await append(store, jobId, 0, 'hello ');
      await append(store, jobId, 6, 'world');
      await seal(store, jobId);

      expect(await append(store, jobId, 3, 'lo wor')).toEqual({ kind: 'stored', end: 11 });
      expect(await append(store, jobId, 6, 'World')).toEqual({ kind: 'sealed' });
      expect(await append(store, jobId, 6, 'world!')).toEqual({ kind: 'sealed' });
      expect(await append(store, jobId, 20, 'x')).toEqual({ kind: 'sealed' });
      expect(await readAll(store.logs.read(jobId, PHASE, 0))).toBe('hello world');
    });

    test('is `missing` for a phase that does not exist', async () => {
      const { store } = stores();
      const jobId = await addPlannedSession(store);
      const appends = [
        append(store, 'cfs-none', 0, 'x'),
        store.logs.append(jobId, 'ansible-9', 0, Buffer.from('x')),
      ];

      expect(await count(appends)).toEqual({ missing: 2 });
    });

    test('is exact when several deliver the same at once', async () => {
      const { store, other } = stores();
      const jobId = await addPlannedSession(store);
      const bytes = randomBytes(200_000);
      const deliver = async (to: Store, step: number) => {
        for (let offset = 0; offset < bytes.length; offset += step) {
          await to.logs.append(jobId, PHASE, offset, bytes.subarray(offset, offset + step));
        }
      };

      await Promise.all([deliver(store, 7_001), deliver(other, 9_973), deliver(store, 50_000)]);

      expect(await sha256(store.logs.read(jobId, PHASE, 0))).toBe(
        createHash('sha256').update(bytes).digest('hex'),
      );
    });

    test('either comes before the seal or is refused', async () => {
      const { store, other } = stores();
      const jobId = await addPlannedSession(store);
      const appends = Array.from({ length: 20 }, (_, index) => append(store, jobId, index, 'x'));
      const sealed = seal(other, jobId);

      const stored = (await Promise.all(appends)).filter(({ kind }) => kind === 'stored').length;
      await sealed;

      expect((await store.phases.find(jobId, PHASE))?.logBytes).toBe(stored);
      expect(await readAll(store.logs.read(jobId, PHASE, 0))).toBe('x'.repeat(stored));
    });
  });

  describe('logs.read', () => {
    test('begins inside a chunk, and ends where the log does', async () => {
      const { store } = stores();
      const jobId = await addPlannedSession(store);
      for (let index = 0; index < 40; index += 1) {
        await append(store, jobId, index * 10, `line ${String(index).padStart(4, '0')}\n`);
      }

      expect(await readAll(store.logs.read(jobId, PHASE, 375))).toBe(
        '0037\nline 0038\nline 0039\n',
      );
      expect(await readAll(store.logs.read(jobId, PHASE, 400))).toBe('');
      expect(await readAll(store.logs.read(jobId, PHASE, 9_999))).toBe('');
    });

    test('gives a long log in pieces, each no larger than what was delivered', async () => {
      const { store } = stores();
      const jobId = await addPlannedSession(store);
      const bytes = randomBytes(256 * 1024);
      for (let index = 0; index < 40; index += 1) {
        await store.logs.append(jobId, PHASE, index * bytes.length, bytes);
      }
      const sizes = new Set<number>();

      for await (const piece of store.logs.read(jobId, PHASE, 0)) sizes.add(piece.length);

      expect(sizes).toEqual(new Set([bytes.length]));
    });
  });

  describe('logs.tail', () => {
    test('gives the last bytes', async () => {
      const { store } = stores();
      const jobId = await addPlannedSession(store);
      const tail = async (limit: number) =>
        Buffer.from(await store.logs.tail(jobId, PHASE, limit)).toString();
      expect(await tail(10)).toBe('');
      await append(store, jobId, 0, 'hello ');
      await append(store, jobId, 6, 'world');

      expect(await tail(7)).toBe('o world');
      expect(await tail(100)).toBe('hello world');
      expect(await tail(0)).toBe('');
    });
  });

  describe('logs.recordGap', () => {
    test('says in a line of its own, once, that something was lost', async () => {
      const { store } = stores();
      const jobId = await addPlannedSession(store);
      await append(store, jobId, 0, 'half a li');

      await store.logs.recordGap(jobId, PHASE, '17 bytes are lost.');
      await store.logs.recordGap(jobId, PHASE, '5 bytes are lost.');

      const expected = 'half a li\n17 bytes are lost.\n';
      expect(await readAll(store.logs.read(jobId, PHASE, 0))).toBe(expected);
      expect((await store.phases.find(jobId, PHASE))?.logBytes).toBe(expected.length);
      expect(await append(store, jobId, expected.length, 'more')).toMatchObject({ kind: 'stored' });
    });

    test('is found again, with what was stored since', async () => {
      const { store } = stores();
      const jobId = await addPlannedSession(store);
      await append(store, jobId, 0, 'begin');
      expect(await store.logs.findGap(jobId, PHASE)).toBeUndefined();

      await store.logs.recordGap(jobId, PHASE, 'lost');
      expect(await store.logs.findGap(jobId, PHASE)).toEqual({ offset: 5, bytesSince: 0 });
      await append(store, jobId, 11, 'end');
      expect(await store.logs.findGap(jobId, PHASE)).toEqual({ offset: 5, bytesSince: 3 });
      await store.logs.recordGap(jobId, PHASE, 'again');
      expect(await store.logs.findGap(jobId, PHASE)).toEqual({ offset: 14, bytesSince: 0 });
    });

    test('is refused once sealed', async () => {
      const { store } = stores();
      const jobId = await addPlannedSession(store);
      await seal(store, jobId);

      expect(await count([store.logs.recordGap(jobId, PHASE, 'x')])).toEqual({ gone: 1 });
    });
  });

  describe('logs.appendLine', () => {
    test('puts lines of several writers one after the other, each whole', async () => {
      const { store } = stores();
      const jobId = await addPlannedSession(store);
      const lines = Array.from({ length: 20 }, (_, index) => `line ${index} `.repeat(index + 1));
      await Promise.all(lines.map((line) => store.logs.appendLine(jobId, 'ansible-0', line)));
      const text = await readAll(store.logs.read(jobId, 'ansible-0', 0));
      expect(text.endsWith('\n')).toBe(true);
      expect(text.slice(0, -1).split('\n').sort()).toEqual(lines.sort());
    });

    test('either comes before the hand-over to the job and goes along, or is refused', async () => {
      const { store, other } = stores();
      const jobId = await addPlannedSession(store);
      const handOver = (one: Store) => one.logs.handOver(jobId, 'ansible-0');
      const taken = await Promise.all([
        ...[1, 2, 3].map((n) => store.logs.appendLine(jobId, 'ansible-0', `line ${n}`)),
        handOver(other).then(() => handOver(store)),
        ...[4, 5, 6].map((n) => other.logs.appendLine(jobId, 'ansible-0', `line ${n}`)),
      ]);
      await handOver(other);

      expect(await store.logs.appendLine(jobId, 'ansible-0', 'late')).toBe(false);
      const text = await readAll(store.logs.read(jobId, 'ansible-0', 0));
      expect(text.split('\n')).toHaveLength(taken.filter((is) => is === true).length + 1);
      const { 'ansible-0-notes': notes } = await other.stagedFiles.read(jobId);
      expect(gunzipSync(notes ?? '').toString()).toBe(text);
    });

    test('is refused when the phase is over', async () => {
      const { store } = stores();
      const jobId = await addPlannedSession(store);
      const result = { kind: 'killed', reason: 'stopped' } as const;
      await store.phases.seal(jobId, 'ansible-0', result, at(1));
      await expect(store.logs.appendLine(jobId, 'ansible-0', 'late')).rejects.toMatchObject({
        fault: 'gone',
      });
    });
  });
}

async function sha256(stream: AsyncIterable<Uint8Array>): Promise<string> {
  const hash = createHash('sha256');
  for await (const piece of stream) hash.update(piece);
  return hash.digest('hex');
}
