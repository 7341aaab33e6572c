import { createHmac } from 'node:crypto';
import { gzipSync } from 'node:zlib';
import { afterEach, describe, expect, test } from '@jest/globals';
import { ServiceError } from '../../src/core/errors.js';
import type { PhaseResult } from '../../src/core/job.js';
import { aRunnerWith, openActivitySite, type ActivitySite } from '../support/activity-site.js';
import { exited } from '../support/session-worker.js';
import { addPlannedSession, aNewSession, at, readAll } from '../support/store-builders.js';

let site: ActivitySite;
afterEach(() => site.close());

const host = {
  host: 'x1',
  ok: 0,
  changed: 0,
  failed: 1,
  skipped: 0,
  unreachable: 0,
  incomplete: false,
};

/** Results that the API did not get, signed as by the job of `addPlannedSession`. */
function signed(
  hosts: readonly object[],
  token = 'token-of-cfs-a-0123abcd',
  phase = 'ansible-0',
): string {
  const payload = gzipSync(JSON.stringify({ phase, hosts })).toString('base64');
  return `${payload}:${createHmac('sha256', token).update(payload).digest('hex')}`;
}

async function observe(result: PhaseResult, output: string, delivered = ''): Promise<string> {
  site = await openActivitySite({ runner: aRunnerWith(result, output) });
  const jobId = await addPlannedSession(site.store);
  await site.store.logs.append(jobId, 'ansible-0', 0, Buffer.from(delivered));
  await site.run(site.activities.ansible, { jobId, phase: 'ansible-0' });
  return jobId;
}

/** A session whose job has reported the end of the phase, with a log of so many bytes, of which it delivered only a part. */
async function addEnded(logBytes: number, delivered = ''): Promise<string> {
  const jobId = await addPlannedSession(site.store);
  await site.store.logs.append(jobId, 'ansible-0', 0, Buffer.from(delivered));
  await site.store.phases.report(jobId, 'ansible-0', {
    state: 'ended',
    startedAt: '2026-01-01T00:00:00.000Z',
    logBytes,
  });
  return jobId;
}

/** What a database that was set back has lost. */
async function loseRecord(): Promise<void> {
  const { sessions, retention } = site.store;
  await sessions.recordOutcome(aNewSession('a').jobId, { succeeded: 'true' }, at(1));
  await sessions.requestDelete('a', { at: at(1) });
  while ((await retention.removeDeleted(at(2))) > 0);
}

const read = async (jobId: string) => readAll(site.store.logs.read(jobId, 'ansible-0', 0));

describe('a phase', () => {
  test('gets what the job could not deliver, byte for byte, and is sealed with its result', async () => {
    const jobId = await observe(exited(2), 'one\ntwo\n', 'one\n');
    expect(await read(jobId)).toBe('one\ntwo\n');
    const phase = await site.store.phases.find(jobId, 'ansible-0');
    expect(phase).toMatchObject({ state: 'ended', result: { kind: 'exited', exitCode: 2 } });
    expect(phase?.sealedAt).toBeDefined();
  });

  test.each([
    ['named if its job could not reach the API', undefined, 1],
    ['not named if it could', exited(2), 0],
  ])('is, in the log of the worker, %s', async (_, reported, lines) => {
    site = await openActivitySite({ runner: aRunnerWith(exited(2), 'one\n') });
    const jobId = await addPlannedSession(site.store);
    if (reported !== undefined)
      await site.store.phases.report(jobId, 'ansible-0', {
        ...{ state: 'ended', startedAt: '2026-01-01T00:00:00.000Z', logBytes: 4 },
        ...{ endedAt: '2026-01-01T00:00:01.000Z', result: reported },
      });
    await site.run(site.activities.ansible, { jobId, phase: 'ansible-0' });
    const told = site.lines.filter(({ text }) => text.includes('JOB_API_URL'));
    expect(told).toHaveLength(lines);
  });

  test('takes host results from the line that the job signed', async () => {
    const jobId = await observe(exited(2), `output\nkeelson-report:${signed([host])}\n`);
    const { items } = await site.store.hosts.list(jobId, { limit: 10 });
    expect(items).toMatchObject([{ host: 'x1', failed: 1 }]);
  });

  test('of the inventory takes the names that the inventory does not have', async () => {
    const output = `output\nkeelson-report:${signed([host], undefined, 'inventory')}\n`;
    site = await openActivitySite({ runner: aRunnerWith(exited(0), output) });
    const { jobId } = await site.store.sessions.insert(aNewSession('a'));
    await site.store.phases.savePlan(jobId, [
      { name: 'inventory', kind: 'inventory', title: 'inventory: dynamic' },
    ]);
    await site.run(site.activities.inventory, { jobId, phase: 'inventory' });
    const { items } = await site.store.hosts.list(jobId, { limit: 10 });
    expect(items).toMatchObject([{ phase: 'inventory', host: 'x1' }]);
  });

  describe('whose log has lost its end takes host results from what the platform has apart', () => {
    async function observeWith(output: string, apart: string): Promise<readonly object[]> {
      site = await openActivitySite({
        runner: { ...aRunnerWith(exited(2), output), findResults: () => Promise.resolve(apart) },
      });
      const jobId = await addPlannedSession(site.store);
      await site.run(site.activities.ansible, { jobId, phase: 'ansible-0' });
      return (await site.store.hosts.list(jobId, { limit: 10 })).items;
    }

    test('if the job signed them', async () => {
      expect(await observeWith('outp', signed([host]))).toMatchObject([{ host: 'x1', failed: 1 }]);
    });

    test('but not if somebody else did', async () => {
      expect(await observeWith('outp', signed([host], 'another token'))).toEqual([]);
    });

    test('but not if the log has them, whose texts are whole', async () => {
      const whole = { ...host, message: 'all of it' };
      const items = await observeWith(`keelson-report:${signed([whole])}\n`, signed([host]));
      expect(items).toMatchObject([{ message: 'all of it' }]);
    });
  });

  test('says so in the log if the platform lost what the job had written', async () => {
    site = await openActivitySite({
      runner: aRunnerWith({ kind: 'killed', reason: 'lost' }, 'one\n'),
    });
    const jobId = await addEnded(10);
    await site.run(site.activities.ansible, { jobId, phase: 'ansible-0' });
    expect(await read(jobId)).toContain('6 bytes of this log were lost');
  });

  test('says so in the log only once if a worker dies before it seals', async () => {
    let deaths = 1;
    site = await openActivitySite({
      runner: aRunnerWith({ kind: 'killed', reason: 'lost' }, ''),
      now: () => {
        if (deaths-- > 0) throw new Error('died');
        return new Date().toISOString();
      },
    });
    const jobId = await addEnded(1000);
    const watch = () => site.run(site.activities.ansible, { jobId, phase: 'ansible-0' });
    await expect(watch()).rejects.toThrow('died');
    await watch();
    expect(await read(jobId)).toBe('[1000 bytes of this log were lost with the job]\n');
  });

  test('says where in the log the platform lost some of it, and has what came after', async () => {
    site = await openActivitySite({
      runner: {
        ...aRunnerWith(exited(0), ''),
        readLog: () =>
          ReadableStream.from([{ lostBytes: 996, why: 'rotated' }, Buffer.from('end\n')]),
      },
    });
    const jobId = await addEnded(1006, 'begin\n');
    await site.run(site.activities.ansible, { jobId, phase: 'ansible-0' });
    expect(await read(jobId)).toMatch(/^begin\n\[996 bytes of this log were lost: .*\]\nend\n$/);
  });

  test('says only once that the platform did not keep the end of the log, even if a worker dies then', async () => {
    let deaths = 1;
    site = await openActivitySite({
      runner: {
        ...aRunnerWith(exited(0), ''),
        async *readLog(_jobId, _phase, offset) {
          await Promise.resolve();
          if (offset < 9) yield Buffer.from('begin\nend').subarray(offset);
          yield { lostBytes: 991, why: 'cut' };
          if (deaths-- > 0) throw new Error('died');
        },
      },
    });
    const jobId = await addEnded(1000, 'begin\n');
    const watch = () => site.run(site.activities.ansible, { jobId, phase: 'ansible-0' });
    await expect(watch()).rejects.toThrow('died');
    await watch();
    expect(await read(jobId)).toMatch(/^begin\nend\n\[991 bytes of this log were lost: .*\]\n$/);
  });

  test('has what follows a gap only once, even if a worker died while copying', async () => {
    const end = ['e', 'n', 'd of it\n'].map((text) => Buffer.from(text));
    let deaths = 2;
    site = await openActivitySite({
      runner: {
        ...aRunnerWith(exited(0), ''),
        async *readLog(_jobId, _phase, offset) {
          await Promise.resolve();
          yield { lostBytes: 1000 - offset, why: 'rotated' };
          for (const [index, piece] of end.entries()) {
            if (index > 0 && index <= deaths) {
              deaths -= 1;
              throw new Error('died');
            }
            yield piece;
          }
        },
      },
    });
    const jobId = await addPlannedSession(site.store);
    await site.store.logs.append(jobId, 'ansible-0', 0, Buffer.from('begin\n'));
    const watch = () => site.run(site.activities.ansible, { jobId, phase: 'ansible-0' });
    await expect(watch()).rejects.toThrow('died');
    await expect(watch()).rejects.toThrow('died');
    await watch();
    expect(await read(jobId)).toMatch(
      /^begin\n\[994 bytes of this log were lost: .*\]\nend of it\n$/,
    );
  });

  test('does not ask the platform for a log that was delivered whole', async () => {
    site = await openActivitySite({ runner: aRunnerWith(exited(0), 'one\nnot to be read') });
    const jobId = await addEnded(4, 'one\n');
    await site.store.hosts.save(jobId, 'ansible-0', { sequence: 1, final: true, hosts: [] });
    await site.run(site.activities.ansible, { jobId, phase: 'ansible-0' });
    expect(await read(jobId)).toBe('one\n');
  });

  test('has a log that says so if the job vanished before it reported the length', async () => {
    site = await openActivitySite();
    const jobId = await addPlannedSession(site.store);
    await site.store.logs.append(jobId, 'ansible-0', 0, Buffer.from('one\ntw'));
    const { result } = await site.run(site.activities.ansible, { jobId, phase: 'ansible-0' });
    expect(result).toEqual({ kind: 'killed', reason: 'lost' });
    expect(await read(jobId)).toBe('one\ntw\n[this log may lack its end: the job is gone]\n');
  });

  test('ends as the job reported if the platform lost sight of it', async () => {
    site = await openActivitySite();
    const jobId = await addPlannedSession(site.store);
    const report = { state: 'ended', startedAt: '2026-01-01T00:00:00.000Z', logBytes: 0 } as const;
    await site.store.phases.report(jobId, 'ansible-0', { ...report, result: exited(0) });
    const { result } = await site.run(site.activities.ansible, { jobId, phase: 'ansible-0' });
    expect(result).toEqual(exited(0));
  });

  test('keeps the end that another attempt seals while this one completes its log', async () => {
    let attempts = 0;
    site = await openActivitySite({
      runner: {
        ...aRunnerWith(exited(2), ''),
        async *readLog(jobId, phase) {
          attempts += 1;
          if (attempts > 1) {
            yield Buffer.from('whole\n');
            return;
          }
          await site.run(site.activities.ansible, { jobId, phase });
          throw new ServiceError('missing', 'The job is gone.');
        },
      },
    });
    const jobId = await addPlannedSession(site.store);
    const ended = await site.run(site.activities.ansible, { jobId, phase: 'ansible-0' });
    expect(ended.result).toEqual(exited(2));
    expect(await read(jobId)).toBe('whole\n');
  });

  test('keeps the end that another attempt seals while this one takes host results', async () => {
    let attempts = 0;
    site = await openActivitySite({
      runner: aRunnerWith(exited(2), `output\nkeelson-report:${signed([host])}\n`),
    });
    // Reading the log falls between the check whether results are there and their save.
    const tail = site.store.logs.tail.bind(site.store.logs);
    Object.assign(site.store.logs, {
      async tail(...[jobId, phase, limit]: Parameters<typeof tail>) {
        attempts += 1;
        const read = await tail(jobId, phase, limit);
        if (attempts === 1) await site.run(site.activities.ansible, { jobId, phase });
        return read;
      },
    });
    const jobId = await addPlannedSession(site.store);
    const ended = await site.run(site.activities.ansible, { jobId, phase: 'ansible-0' });
    expect(ended).toEqual({
      result: exited(2),
      hosts: { hosts: 1, failedHosts: 1, unreachableHosts: 0 },
    });
  });

  test('answers the same when it is watched again', async () => {
    const jobId = await observe(exited(0), 'one\n');
    const again = await site.run(site.activities.ansible, { jobId, phase: 'ansible-0' });
    expect(again).toEqual({
      result: exited(0),
      hosts: { hosts: 0, failedHosts: 0, unreachableHosts: 0 },
    });
  });

  test('settles earlier phases that a restored record lacks', async () => {
    site = await openActivitySite({ runner: aRunnerWith(exited(0), 'one\n') });
    const { jobId } = await site.store.sessions.insert(aNewSession('restored'));
    await site.store.phases.savePlan(jobId, [
      { name: 'git-clone-0', kind: 'git-clone', title: 'git-clone-0' },
      { name: 'ansible-0', kind: 'ansible', title: 'ansible-0: site.yml' },
      { name: 'ansible-1', kind: 'ansible', title: 'ansible-1: more.yml' },
    ]);
    await site.run(site.activities.ansible, { jobId, phase: 'ansible-0' });
    const phases = await site.store.phases.list(jobId);
    expect(phases.map(({ name, state, logBytes }) => [name, state, logBytes])).toEqual([
      ['git-clone-0', 'ended', 4],
      ['ansible-0', 'ended', 4],
      ['ansible-1', 'pending', 0],
    ]);
  });

  test.each([
    ['while', [Buffer.from('two\n')]],
    ['once', []],
  ])('has its whole log, although the database is set back %s that is copied', async (_, rest) => {
    let isSetBack = false;
    site = await openActivitySite({
      runner: {
        ...aRunnerWith(exited(0), ''),
        async *readLog() {
          yield Buffer.from('one\n');
          if (!isSetBack) {
            isSetBack = true;
            await loseRecord();
            await addPlannedSession(site.store);
          }
          yield* rest;
        },
      },
    });
    const jobId = await addPlannedSession(site.store);
    const watch = () => site.run(site.activities.ansible, { jobId, phase: 'ansible-0' });
    await expect(watch()).rejects.toMatchObject({ fault: 'unavailable' });
    await watch();
    expect(await read(jobId)).toBe(`one\n${rest.join('')}`);
  });

  test('has the workflow begin again if the plan is lost while it is watched', async () => {
    site = await openActivitySite({
      runner: {
        ...aRunnerWith(exited(0), 'one\n'),
        async awaitPhase() {
          await loseRecord();
          await site.store.sessions.insert(aNewSession('a'));
          return exited(0);
        },
      },
    });
    const jobId = await addPlannedSession(site.store);
    await expect(
      site.run(site.activities.ansible, { jobId, phase: 'ansible-0' }),
    ).rejects.toMatchObject({ isSetBack: true });
  });

  test('is named by a fault if the job does not have it', async () => {
    site = await openActivitySite();
    const jobId = await addPlannedSession(site.store);
    await expect(
      site.run(site.activities.ansible, { jobId, phase: 'ansible-9' }),
    ).rejects.toMatchObject({ fault: 'missing', message: `Job ${jobId} has no phase ansible-9.` });
  });
});
