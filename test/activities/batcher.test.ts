import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { renderCycle, runBatches } from '../../src/activities/batcher.js';
import type { Batch } from '../../src/core/batch.js';
import type { LayerResult } from '../../src/core/component.js';
import { ServiceError } from '../../src/core/errors.js';
import { DEFAULT_OPTIONS, type Options } from '../../src/core/options.js';
import type { Outcome, Session } from '../../src/core/session.js';
import { openSqliteStore } from '../../src/store/database/sqlite.js';
import type { BatchStore } from '../../src/store/batches/batch-store.js';
import type { CancelWish, Store } from '../../src/store/store.js';
import { createRandom, type Random } from '../chaos/random.js';
import { aNewSession, listWhole } from '../support/store-builders.js';

const NODES = 10_000;
const CYCLE_MS = 10_000;
const silent = { info: () => undefined, warn: () => undefined };
const layers = ['site.yml', 'network.yml'].map((playbook) => ({
  ...{ cloneUrl: 'https://git/a.git', playbook, commit: 'a'.repeat(40) },
}));

let directory: string;
let store: Store;
let clock: number;
const now = () => new Date(clock).toISOString();
const never = new AbortController().signal;
const options: Options = { ...DEFAULT_OPTIONS, batcher: 'internal', batcherMaxBackoff: 30 };

beforeEach(async () => {
  directory = mkdtempSync(join(tmpdir(), 'keelson-batcher-'));
  store = await openSqliteStore({ path: join(directory, 'keelson.db') });
  clock = Date.parse('2026-03-01T12:00:00.000Z');
  await store.configurations.save({ name: 'compute', lastUpdated: now(), layers });
});

afterEach(async () => {
  await store.close();
  rmSync(directory, { recursive: true, force: true });
});

async function addNodes(count: number): Promise<readonly string[]> {
  const ids = Array.from({ length: count }, (_, index) => `x${String(index).padStart(5, '0')}`);
  await store.components.put(
    ids.map((id) => ({ id, enabled: true, desiredConfig: 'compute', retryPolicy: -1 })),
    now(),
    () => undefined,
  );
  return ids;
}

/** Lets more than the default of `batcher_pending_timeout` pass, with cycles, so that workers were there all the time. */
async function letPendingPass(changes: Partial<Options> = {}): Promise<void> {
  for (let step = 0; step < 2; step += 1) {
    clock += 100_000;
    await runBatches({ store, logger: silent, now }, { ...options, ...changes }, never);
  }
  clock += 101_000;
}

async function addNodesOf(desiredConfig: string, count: number): Promise<void> {
  await store.components.put(
    Array.from({ length: count }, (_, index) => ({
      ...{ id: `${desiredConfig}${index}`, enabled: true, desiredConfig },
    })),
    now(),
    () => undefined,
  );
}

async function listOpen(): Promise<readonly Session[]> {
  const lists = await Promise.all(
    (['pending', 'running'] as const).map((state) => listWhole(store, { state }, { limit: 5_000 })),
  );
  return lists.flat();
}

async function complete({ jobId }: Session, outcome: Outcome): Promise<void> {
  await store.sessions.recordDispatched(jobId, 'started');
  await store.sessions.claim(jobId, { at: now() });
  await store.sessions.markRunning(jobId);
  await store.sessions.recordOutcome(jobId, outcome, now());
}

/** Reports that no play of any layer was for a host. */
async function playNothing({ jobId }: Session): Promise<void> {
  const names = layers.map((_, index) => `ansible-${index}`);
  const kind = 'ansible';
  await store.phases.savePlan(
    jobId,
    names.map((name) => ({ name, kind, title: name })),
  );
  const result = { kind: 'exited', exitCode: 0, startedAt: now(), endedAt: now() } as const;
  for (const name of names) {
    await store.hosts.save(jobId, name, { sequence: 1, final: true, hosts: [] });
    await store.phases.seal(jobId, name, result, now());
  }
}

const isOneOf = (random: Random, percent: number) => random.between(1, 100) <= percent;

/** Dies in every n-th call, before or after it has done what it was asked for. */
function mortal(base: BatchStore, percent: number, random: Random) {
  return new Proxy(base, {
    get(target, name, receiver) {
      const method = Reflect.get(target, name, receiver) as (...args: unknown[]) => unknown;
      return async (...args: unknown[]) => {
        if (isOneOf(random, percent)) throw new ServiceError('unavailable', 'killed before');
        const result = await method.apply(target, args);
        if (isOneOf(random, percent)) throw new ServiceError('unavailable', 'killed after');
        return result;
      };
    },
  });
}

/** Simulates what runs sessions: hosts fail, sessions fail, people delete sessions. Knows which host each session has. */
function openOperator(random: Random) {
  const running = new Map<string, Session>();
  const hostsOf = ({ request }: Session) => (request.ansibleLimit ?? '').split(',');
  const report = async (session: Session): Promise<Outcome> => {
    let failed = 0;
    const patches = hostsOf(session).map((id) => {
      const status: LayerResult = isOneOf(random, 5) ? 'failed' : 'applied';
      if (status === 'failed') failed += 1;
      const told = status === 'failed' ? layers.slice(0, 1) : layers;
      const stateAppend = told.map((layer) => ({ ...layer, sessionName: session.name, status }));
      return { id, stateAppend, addErrors: status === 'failed' ? 1 : 0 };
    });
    await store.components.patch(patches, now(), () => undefined);
    return failed === 0
      ? { succeeded: 'true' }
      : { succeeded: 'false', reason: 'TASK_FAILED', message: 'a task failed' };
  };
  const end = async (session: Session): Promise<void> => {
    const fate = random.between(1, 100);
    if (fate <= 2) await store.sessions.requestDelete(session.name, { at: now() });
    const reason = fate <= 5 ? 'INVENTORY' : 'GIT_CLONE';
    const outcome: Outcome =
      fate <= 10 ? { succeeded: 'false', reason, message: 'no' } : await report(session);
    await complete(session, outcome);
  };
  return {
    /** Checks that no host of a new session is in a session that has not ended. */
    async turn(): Promise<void> {
      for (const session of await listOpen()) {
        if (running.has(session.jobId)) continue;
        const busy = new Set([...running.values()].flatMap(hostsOf));
        expect(hostsOf(session).filter((host) => busy.has(host))).toEqual([]);
        running.set(session.jobId, session);
      }
      for (const [jobId, session] of running) {
        if (isOneOf(random, 40)) continue;
        running.delete(jobId);
        await end(session);
      }
    },
  };
}

describe('runBatches', () => {
  test('configures every node of a fleet, none of them twice at once, whatever dies meanwhile', async () => {
    const random = createRandom(20_261_128);
    await addNodes(NODES);
    const operator = openOperator(random);
    const dying = { ...store, batches: mortal(store.batches, 2, random) };
    const left = async () => {
      const filter = { enabled: true, status: 'pending' } as const;
      return (await store.components.list(filter, { limit: 1 })).items.length;
    };
    let killed = 0;
    for (let cycle = 0; (await left()) > 0 || (await listOpen()).length > 0; cycle += 1) {
      if (cycle === 2_000) throw new Error('The fleet is not configured after 2,000 cycles.');
      // A second worker continues while the first one hangs, so that both run at once.
      const both = [dying, cycle % 10 === 0 ? store : dying];
      const ends = await Promise.allSettled(
        both.map((one) => runBatches({ store: one, logger: silent, now }, options, never)),
      );
      killed += ends.filter(({ status }) => status === 'rejected').length;
      await operator.turn();
      clock += CYCLE_MS;
    }
    await runBatches({ store, logger: silent, now }, options, never);
    expect(killed).toBeGreaterThan(0);
    const page = await store.components.list({ status: 'configured' }, { limit: NODES });
    expect(page.items).toHaveLength(NODES);
    expect((await store.batches.list({ limit: 10, state: 'sent' })).items).toEqual([]);
    expect((await store.batches.list({ limit: 10, state: 'open' })).items).toEqual([]);
  });

  const run = (changes: Partial<Options> = {}) =>
    runBatches({ store, logger: silent, now }, { ...options, ...changes }, never);

  test('waits for a window that is not over, and sends what is full', async () => {
    await addNodes(30);
    expect(await run()).toMatchObject({ collected: 30, sent: 1 });
    clock += 59_000;
    expect(await run()).toMatchObject({ collected: 0, sent: 0 });
    const endless = { batchWindow: Number.MAX_SAFE_INTEGER };
    expect(await run(endless)).toMatchObject({ collected: 0, sent: 0 });
    clock += 1_000;
    expect(await run()).toMatchObject({ collected: 0, sent: 1 });
  });

  test('sends what was collected before its clock was set back', async () => {
    await addNodes(1);
    expect(await run()).toMatchObject({ collected: 1, sent: 0 });
    clock -= 86_400_000;
    expect(await run()).toMatchObject({ collected: 0, sent: 1 });
  });

  test('finishes each batch but one that cannot be finished, and says which', async () => {
    const { id: odd } = await sendThree();
    spoil('x00001');
    const warned: object[] = [];
    const logger = { ...silent, warn: (fields: object) => void warned.push(fields) };
    const status = await runBatches({ store, logger, now }, { ...options, batchSize: 1 }, never);
    expect(status).toMatchObject({ finished: 2 });
    expect(warned).toEqual([expect.objectContaining({ batch: odd })]);
    const left = await store.batches.list({ limit: 10, state: 'sent' });
    expect(left.items.map(({ id }) => id)).toEqual([odd]);
  });

  /** Makes batches of one node each, whose sessions have succeeded. Returns that of the second node. */
  async function sendThree(): Promise<Batch> {
    await addNodes(3);
    await run({ batchSize: 1 });
    for (const session of await listOpen()) {
      await playNothing(session);
      await complete(session, { succeeded: 'true' });
    }
    const { items } = await store.batches.list({ limit: 10 });
    const members = await store.batches.members(items.map(({ id }) => id));
    const second = items.find(({ id }) => members.get(id)?.includes('x00001'));
    if (second === undefined) throw new Error('The second node is in no batch.');
    return second;
  }

  /** Damages a component, as somebody who writes into the database may. */
  function spoil(component: string): void {
    const database = new DatabaseSync(join(directory, 'keelson.db'));
    database.prepare(`update components set state = 'no JSON' where id = ?`).run(component);
    database.close();
  }

  test('says in Temporal what it did, and first why it sends nothing', async () => {
    await addNodes(30);
    const status = await run();
    expect(renderCycle(status)).toMatch(/components collected \| 30 .*\n.*batches sent \| 1 /);
    const halted = renderCycle(await run({ batcherDisable: true }));
    expect(halted).toMatch(/^\*\*Nothing is sent\.\*\* The option batcher_disable is set\.\n/);
  });

  test('sends nothing while it is disabled, but sees ends', async () => {
    await addNodes(25);
    await run();
    const [session] = await listOpen();
    if (session !== undefined) await complete(session, { succeeded: 'true' });
    await addNodes(50);
    const status = await run({ batcherDisable: true });
    expect(status).toMatchObject({ collected: 0, sent: 0, finished: 1 });
    expect(status.halted).toContain('batcher_disable');
  });

  test('sends nothing while the disk is full, says so, and goes on when there is room', async () => {
    await addNodes(25);
    const requireRoom = () => Promise.reject(new ServiceError('unavailable', 'no room'));
    const full = await runBatches({ store, logger: silent, now, requireRoom }, options, never);
    expect(full).toMatchObject({ collected: 0, sent: 0, halted: 'no room' });
    expect(await run()).toMatchObject({ collected: 25, sent: 1 });
  });

  test('sends each batch but one that cannot be sent, and says which', async () => {
    await addNodes(3);
    await run({ batchSize: 2, batchWindow: 3600 });
    const [odd] = (await store.batches.list({ limit: 10, state: 'open' })).items;
    spoil('x00002');
    const warned: object[] = [];
    const logger = { ...silent, warn: (fields: object) => void warned.push(fields) };
    await store.configurations.save({ name: 'login', lastUpdated: now(), layers });
    await addNodesOf('login', 1);
    const status = await runBatches({ store, logger, now }, { ...options, batchWindow: 0 }, never);
    expect(status).toMatchObject({ sent: 1 });
    expect(warned).toEqual([expect.objectContaining({ batch: odd?.id })]);
  });

  test('leaves out what is not the name of a host, and says so once', async () => {
    await addNodes(1);
    await store.components.put(
      ['all', 'x*'].map((id) => ({ id, enabled: true, desiredConfig: 'compute' })),
      now(),
      () => undefined,
    );
    const warned: object[] = [];
    const logger = { ...silent, warn: (fields: object) => void warned.push(fields) };
    const cycle = (changes: Partial<Options> = {}) =>
      runBatches({ store, logger, now }, { ...options, ...changes }, never);
    const leftOut = ['all', 'x*'];
    expect(await cycle()).toMatchObject({ collected: 1, leftOut });
    expect(await cycle({ batcherDisable: true })).toMatchObject({ collected: 0, leftOut });
    expect(await cycle()).toMatchObject({ collected: 0, leftOut });
    expect(warned).toEqual([{ components: leftOut }]);
    await store.components.remove('all');
    await store.components.remove('x*');
    expect(await cycle()).not.toHaveProperty('leftOut');
  });

  test('logs of how many components a session is', async () => {
    await addNodes(3);
    await run();
    await store.components.remove('x00001');
    const told: object[] = [];
    const logger = { ...silent, info: (fields: object) => void told.push(fields) };
    await runBatches({ store, logger, now }, { ...options, batchWindow: 0 }, never);
    expect(told).toEqual([expect.objectContaining({ components: 2 })]);
  });

  test('stops beside another batcher, says so, and goes on when that is gone', async () => {
    await addNodes(25);
    const name = 'batcher-00000000-0000-4000-8000-000000000000';
    const other = await store.sessions.insert(aNewSession(name, { createdAt: now() }));
    const status = await run();
    expect(status).toMatchObject({ collected: 0, sent: 0 });
    expect(status.halted).toContain(`session ${name}`);
    await complete(other, { succeeded: 'true' });
    expect(await run()).toMatchObject({ sent: 0 });
    clock += 901_000;
    expect(await run()).toMatchObject({ collected: 25, sent: 1 });
    clock -= 902_000;
    expect(await run()).not.toHaveProperty('halted');
  });

  test('deletes no session because its clock is set forward, even during a cycle', async () => {
    await addNodes(25);
    await run();
    for (const { jobId } of await listOpen()) await store.sessions.claim(jobId, { at: now() });
    await run();
    let asked = 0;
    const jumping = () => {
      asked += 1;
      if (asked === 2) clock += 86_400_000;
      return now();
    };
    await runBatches({ store, logger: silent, now: jumping }, options, never);
    expect(asked).toBeGreaterThan(2);
    await run();
    expect((await listOpen()).map(({ desired }) => desired)).toEqual(['run']);
  });

  test('deletes a session that is pending for too long, and sends its nodes again', async () => {
    await addNodes(25);
    await run();
    const [session] = await listOpen();
    await store.sessions.recordDispatched(session?.jobId ?? '', 'started');
    // While Temporal and all workers were away, which is nothing of the session's.
    clock += 301_000;
    await run();
    expect(await store.sessions.find(session?.name ?? '')).toBeDefined();
    await store.sessions.claim(session?.jobId ?? '', { at: now() });
    await letPendingPass();
    expect(await run()).toMatchObject({ finished: 0, collected: 0 });
    expect(await store.sessions.find(session?.name ?? '')).toBeUndefined();
    await store.sessions.recordOutcome(session?.jobId ?? '', { succeeded: 'false' }, now());
    expect(await run()).toMatchObject({ finished: 1, collected: 25, sent: 1 });
  });

  test('does not delete a session that waits for something that is away, nor as soon as that is back', async () => {
    await addNodes(25);
    await run();
    const [session] = await listOpen();
    const jobId = session?.jobId ?? '';
    await store.sessions.claim(jobId, { at: now() });
    const wait = { since: now(), message: 'Waiting: HSM answered with status 503.' };
    await store.sessions.recordWait(jobId, wait);
    await letPendingPass();
    await run();
    await store.sessions.recordWaitEnd(jobId, wait);
    clock += CYCLE_MS;
    await run();
    expect(await store.sessions.find(session?.name ?? '')).toBeDefined();
    await letPendingPass();
    await run();
    expect(await store.sessions.find(session?.name ?? '')).toBeUndefined();
  });

  test('does not delete a session that was claimed before all workers were away', async () => {
    await addNodes(25);
    await run();
    const [session] = await listOpen();
    await store.sessions.claim(session?.jobId ?? '', { at: now() });
    clock += 301_000;
    await run();
    expect(await store.sessions.find(session?.name ?? '')).toBeDefined();
    await letPendingPass();
    await run();
    expect(await store.sessions.find(session?.name ?? '')).toBeUndefined();
  });

  test('leaves a session alone that begins while others are looked at', async () => {
    await addNodes(25);
    await run();
    const [session] = await listOpen();
    const jobId = session?.jobId ?? '';
    await store.sessions.claim(jobId, { at: now() });
    await letPendingPass();
    const late = {
      ...store,
      sessions: {
        ...store.sessions,
        async requestDeletePending(name: string, wish: CancelWish) {
          await store.sessions.markRunning(jobId);
          await store.sessions.requestDeletePending(name, wish);
        },
      },
    };
    await runBatches({ store: late, logger: silent, now }, options, never);
    expect(await store.sessions.get(jobId)).toMatchObject({ desired: 'run', state: 'running' });
  });

  test('finishes ended batches even if an overdue one cannot be deleted', async () => {
    await addNodes(3);
    await run({ batchSize: 1 });
    const [still, ...others] = await listOpen();
    await store.sessions.claim(still?.jobId ?? '', { at: now() });
    await letPendingPass({ batchSize: 1 });
    for (const session of others) await complete(session, { succeeded: 'true' });
    const warned: object[] = [];
    const logger = { ...silent, warn: (fields: object) => void warned.push(fields) };
    const requestDeletePending = () => Promise.reject(new Error('a defect'));
    const broken = { ...store, sessions: { ...store.sessions, requestDeletePending } };
    const status = await runBatches({ store: broken, logger, now }, options, never);
    expect(status).toMatchObject({ finished: 2 });
    expect(warned).toEqual([expect.objectContaining({ err: new Error('a defect') })]);
  });

  test('holds back a configuration that always fails, and no other', async () => {
    const failing = {
      ...options,
      batcherMaxBackoff: 3600,
      batchSize: 1,
      defaultBatcherRetryPolicy: 3,
    };
    await store.configurations.save({ name: 'broken', lastUpdated: now(), layers });
    await addNodesOf('broken', 20);
    await run(failing);
    for (const session of await listOpen())
      await complete(session, { succeeded: 'false', reason: 'GIT_CLONE', message: 'no' });
    expect(await run(failing)).toMatchObject({ finished: 20, collected: 20, sent: 0 });
    await addNodesOf('compute', 1);
    expect(await run(failing)).toMatchObject({ collected: 1, sent: 1 });
    clock += 61_000;
    expect(await run(failing)).toMatchObject({ sent: 20 });
  });

  test('goes by its options as they are now, for open batches and back-offs as well', async () => {
    await addNodes(30);
    expect(await run({ batchSize: 100 })).toMatchObject({ collected: 30, sent: 0 });
    expect(await run({ batchSize: 10 })).toMatchObject({ collected: 0, sent: 1 });
    expect(await run({ batchSize: 10 })).toMatchObject({ collected: 20, sent: 2 });
    const sessions = await listOpen();
    const sizes = sessions.map(({ request }) => request.ansibleLimit?.split(',').length);
    expect(sizes).toEqual([10, 10, 10]);

    for (const session of sessions)
      await complete(session, { succeeded: 'false', reason: 'INVENTORY', message: 'no' });
    expect(await run({ batcherMaxBackoff: 3600 })).toMatchObject({ collected: 30, sent: 0 });
    clock += 11_000;
    expect(await run({ batcherMaxBackoff: 3600 })).toMatchObject({ sent: 0 });
    expect(await run({ batcherMaxBackoff: 10 })).toMatchObject({ sent: 1 });
  });
});
