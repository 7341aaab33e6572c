import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, jest, test } from '@jest/globals';
import { pino } from 'pino';
import { startRetention } from '../../src/process/retention.js';
import { createLocalRunner, type LocalRunner } from '../../src/runner/local.js';
import { openSqliteStore } from '../../src/store/database/sqlite.js';
import type { Store } from '../../src/store/store.js';
import { aLaunch, aScript, never, waitForOutput } from '../contract/runner-jobs.js';
import { aNewSession, at } from '../support/store-builders.js';
import { waitFor } from '../support/wait.js';

let directory: string;
let store: Store;
let runner: LocalRunner;
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'keelson-retention-'));
  store = await openSqliteStore({ path: join(directory, 'keelson.db') });
  runner = createLocalRunner({
    jobsDirectory: join(directory, 'jobs'),
    python: 'python3',
    jobSource: join(import.meta.dirname, '..', '..'),
    ansiblePlaybook: 'ansible-playbook',
    gitProtocols: 'file',
    secrets: {},
  });
});
afterEach(async () => {
  runner.close();
  await store.close();
  await rm(directory, { recursive: true });
});

/** A session with a job directory, complete since the given time, or not complete. */
async function addJob(name: string, completedAt?: string): Promise<string> {
  const { jobId } = await store.sessions.insert(aNewSession(name));
  await runner.prepare(aLaunch([aScript('one', 'true')], { jobId }), never);
  if (completedAt !== undefined) {
    await store.sessions.recordOutcome(jobId, { succeeded: 'true' }, completedAt);
  }
  return jobId;
}

async function listJobs(): Promise<string[]> {
  const ids: string[] = [];
  for await (const { jobId } of runner.list(never)) ids.push(jobId);
  return ids.sort();
}

function start(
  now = () => new Date().toISOString(),
  retentionSeconds = 3600,
  of: LocalRunner = runner,
) {
  const logger = pino({ level: 'silent' });
  return startRetention({ runner: of, store, logger, now, retentionSeconds, machine: 'm' });
}

/** Looks after all jobs once. */
async function sweep(...options: Parameters<typeof start>): Promise<void> {
  const retention = await start(...options);
  await retention.swept;
  await retention.close();
}

describe('startRetention', () => {
  test('removes the jobs of sessions that have been over for long enough, and no other', async () => {
    const old = await addJob('old', at(0));
    const recent = await addJob('recent', new Date().toISOString());
    const running = await addJob('running');
    expect(await listJobs()).toEqual([old, recent, running].sort());
    await sweep();
    expect(await listJobs()).toEqual([recent, running].sort());
  });

  test('does not wait for removals, of which there may be many after a long absence', async () => {
    const old = await addJob('old', at(0));
    const removing = Promise.withResolvers<undefined>();
    const slow = {
      ...runner,
      async remove(...job: Parameters<LocalRunner['remove']>) {
        await removing.promise;
        await runner.remove(...job);
      },
    };

    const retention = await start(undefined, undefined, slow);

    expect(await listJobs()).toEqual([old]);
    removing.resolve(undefined);
    await retention.swept;
    expect(await listJobs()).toEqual([]);
    await retention.close();
  });

  test('continues if a job cannot be removed, and removes leftovers', async () => {
    const broken = await addJob('broken', at(0));
    await addJob('old', at(0));
    const jobs = join(directory, 'jobs');
    await writeFile(join(jobs, broken, 'job.json'), 'no JSON');
    await mkdir(join(jobs, '.removed-half'));
    await sweep();
    expect(await readdir(jobs)).toEqual([broken]);
  });

  test.each([
    ['for an hour', 3600],
    ['for ever', Number.MAX_SAFE_INTEGER],
  ])(
    'takes over a job that its restored record lacks, and notes the machine as alive, where jobs are kept %s',
    async (_, seconds) => {
      const jobId = await addJob('restored');
      const incarnation = await runner.prepare(aLaunch([aScript('one', 'true')], { jobId }), never);
      await runner.release(jobId, incarnation, never);
      await runner.awaitPhase(jobId, 'one', never);
      await sweep(undefined, seconds);
      // The supervisor may still be at its last act.
      await runner.stop(jobId, never);
      expect(await store.sessions.get(jobId)).toMatchObject({ incarnation, machine: 'm' });
      expect([...(await store.sweep.listMachines()).keys()]).toEqual(['m']);
    },
  );

  test('keeps the directory of a job without a record, however far the clock of the database is ahead', async () => {
    const given = aLaunch([aScript('one', 'true')]);
    const { jobId } = given.job;
    await runner.release(jobId, await runner.prepare(given, never), never);
    await runner.awaitPhase(jobId, 'one', never);
    await runner.stop(jobId, never);
    await sweep(() => '2100-01-01T00:00:00.000Z');
    expect(await listJobs()).toEqual([jobId]);
  });

  test.each([
    ['minutes', 600_000],
    ['hours, longer than a job is kept', 7_200_000],
  ])('has begun to stop a job whose session is over for %s', async (_, age) => {
    const { jobId } = await store.sessions.insert(aNewSession('stubborn'));
    const script = 'trap "" TERM; echo ready; until [ -e enough ]; do sleep 0.1; done';
    const given = aLaunch([aScript('one', script)], { jobId, graceSeconds: 3600 });
    await runner.release(jobId, await runner.prepare(given, never), never);
    await waitForOutput(runner, jobId, 'one', 'ready');
    const over = new Date(Date.now() - age).toISOString();
    await store.sessions.recordOutcome(jobId, { succeeded: 'unknown' }, over);
    const released = Promise.withResolvers<undefined>();
    let looks = 0;
    const slow = {
      ...runner,
      async *list(signal: AbortSignal) {
        looks += 1;
        if (looks > 1) await released.promise;
        yield* runner.list(signal);
      },
    };

    const retention = await start(undefined, undefined, slow);

    const stopped = join(directory, 'jobs', jobId, 'stopped');
    const isTold = await waitFor(() => existsSync(stopped), { timeoutMs: 10_000 }).then(
      () => true,
      () => false,
    );
    const summary = await runner.find(jobId, never);
    released.resolve(undefined);
    await retention.close();
    await writeFile(join(directory, 'jobs', jobId, 'workspace', 'enough'), '');
    await runner.remove(jobId, never);
    expect(isTold).toBe(true);
    expect(summary).toMatchObject({ state: 'running' });
  });

  test('lets a job without a record run to its end', async () => {
    const given = aLaunch([aScript('one', 'echo ready; read never < pipe || sleep 1000')]);
    const { jobId } = given.job;
    await runner.release(jobId, await runner.prepare(given, never), never);
    await waitForOutput(runner, jobId, 'one', 'ready');
    await sweep();
    expect(await runner.find(jobId, never)).toMatchObject({ state: 'running' });
    await runner.remove(jobId, never);
  });

  test('sweeps once, however often it was due meanwhile', async () => {
    jest.useFakeTimers({
      now: Date.now(),
      doNotFake: ['nextTick', 'queueMicrotask', 'setImmediate'],
    });
    try {
      const released = Promise.withResolvers<undefined>();
      let looks = 0;
      const slow = {
        ...runner,
        async *list(): AsyncGenerator<never> {
          looks += 1;
          if (looks > 1) await released.promise;
          yield* [];
        },
      };
      const logger = pino({ level: 'silent' });
      const now = () => at(0);
      const retention = await startRetention({
        ...{ runner: slow, store, logger, now, retentionSeconds: 0 },
      });
      jest.advanceTimersByTime(10_000);
      released.resolve(undefined);
      await retention.close();
      expect(looks).toBe(2);
    } finally {
      jest.useRealTimers();
    }
  });
});
