import { randomBytes } from 'node:crypto';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { fileURLToPath } from 'node:url';
import { ApplicationFailure } from '@temporalio/common';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import { sweep } from '../../src/activities/sweep.js';
import type { SweepDependencies } from '../../src/activities/sweep-dependencies.js';
import type { SweepOptions } from '../../src/activities/sweep-run.js';
import type { Orchestrator } from '../../src/clients/interfaces.js';
import { createImsClient } from '../../src/clients/ims.js';
import { createOrchestrator } from '../../src/clients/temporal.js';
import { ServiceError } from '../../src/core/errors.js';
import { toContainerName, toKeyName } from '../../src/core/image.js';
import type { SessionRequest } from '../../src/core/session.js';
import { toSessionStart } from '../../src/core/session-start.js';
import { isIdle, type RunningWorkflow } from '../../src/core/sweep.js';
import { openSqliteStore } from '../../src/store/database/sqlite.js';
import type { Store } from '../../src/store/store.js';
import { startIms, type ImsStandIn } from '../support/ims-stand-in.js';
import { BUNDLE } from '../support/session-worker.js';
import { aNewSession } from '../support/store-builders.js';
import { openTemporal, type TestTemporal } from '../support/temporal.js';
import { waitFor } from '../support/wait.js';
import { bundleWorkflowCode, DefaultLogger, NativeConnection, Worker } from '@temporalio/worker';

let temporal: TestTemporal;
let orchestrator: Orchestrator;
let store: Store;
let directory: string;
const taskQueue = 'keelson-swept';
let lines: object[] = [];

beforeAll(async () => {
  temporal = await openTemporal();
  directory = await mkdtemp(join(tmpdir(), 'keelson-sweep-'));
  store = await openSqliteStore({ path: join(directory, 'keelson.db') });
  orchestrator = createOrchestrator({ address: temporal.address, namespace: 'default', taskQueue });
});
afterAll(async () => {
  await orchestrator.close();
  await store.close();
  await temporal.close();
  await rm(directory, { recursive: true });
});
beforeEach(() => {
  lines = [];
});

async function addStarted(name: string, request: Partial<SessionRequest> = {}): Promise<string> {
  const jobId = `cfs-${name}-${randomBytes(4).toString('hex')}`;
  const session = await store.sessions.insert({ ...aNewSession(name, request), jobId });
  await orchestrator.startSession(toSessionStart(session));
  await store.sessions.recordDispatched(jobId, 'started');
  return jobId;
}

type Given = SweepOptions &
  Pick<SweepDependencies, 'machineLostSeconds' | 'machine' | 'limit' | 'images' | 'orchestrator'>;

const run = (options: Partial<Given> = {}) =>
  sweep(
    {
      store,
      orchestrator: options.orchestrator ?? orchestrator,
      logger: {
        info: (fields) => void lines.push(fields),
        warn: (fields, text) => void lines.push({ ...fields, text }),
      },
      now: () => new Date().toISOString(),
      ...(options.images === undefined ? {} : { images: options.images }),
      limit: options.limit ?? 10,
      machineLostSeconds: options.machineLostSeconds ?? 0,
      ...(options.machine === undefined ? {} : { machine: options.machine }),
    },
    { dryRun: options.dryRun ?? false },
    new AbortController().signal,
  );

/** Runs a worker that has this code of the workflow, and whose only activity gives the session a place in the queue. */
async function workUntil(
  codePath: string,
  isReached: () => Promise<boolean>,
  what: string,
): Promise<void> {
  const connection = await NativeConnection.connect({ address: temporal.address });
  const worker = await Worker.create({
    connection,
    taskQueue,
    workflowBundle: { codePath },
    activities: {
      claimSession: () => ({
        ...{ kind: 'go', launched: false, sessionName: 'a', configurationName: 'c' },
        queue: { place: 1, limit: 1 },
      }),
    },
  });
  await worker.runUntil(waitFor(isReached, { what, timeoutMs: 120_000 }));
  await connection.close();
}

async function describeRunning(jobId: string): Promise<RunningWorkflow> {
  const workflow = await orchestrator.describeSession(jobId);
  if (workflow.kind !== 'running') throw new Error(`The workflow of ${jobId} does not run.`);
  return workflow;
}

/** A session whose workflow waits for a place. */
async function addWaiting(name: string): Promise<string> {
  const jobId = await addStarted(name);
  const isWaiting = async () => isIdle(await describeRunning(jobId));
  await workUntil(BUNDLE, isWaiting, `${name} to wait`);
  return jobId;
}

const statusOf = async (jobId: string) =>
  (await temporal.client.workflow.getHandle(jobId).describe()).status.name;

/** Makes a record one that cannot be read, as a disk fault or a defect would. Returns a function that restores it. */
function spoil(jobId: string): () => void {
  const database = new DatabaseSync(join(directory, 'keelson.db'));
  const query = database.prepare('select request from sessions where job_id = ?');
  const { request = '' } = query.get(jobId) ?? {};
  const write = database.prepare('update sessions set request = ? where job_id = ?');
  write.run('{', jobId);
  return () => {
    write.run(request, jobId);
    database.close();
  };
}

async function endAll(...jobIds: readonly string[]): Promise<void> {
  for (const jobId of jobIds) {
    await store.sessions.recordOutcome(jobId, { succeeded: 'true' }, new Date().toISOString());
    await temporal.client.workflow
      .getHandle(jobId)
      .terminate()
      .catch(() => undefined);
  }
}

describe('the image service', () => {
  let ims: ImsStandIn;
  beforeEach(async () => {
    ims = await startIms();
  });
  afterEach(() => ims.close());
  const images = () => ({
    client: createImsClient({ url: ims.url, timeoutSeconds: 10 }),
    shell: { run: () => Promise.reject(new ServiceError('unavailable', 'nobody is there.')) },
    toKey: () => ({ privateKey: '', publicKey: 'ssh x' }),
    deploymentId: 'd0',
  });
  const make = async (owner: string, deployment = 'd0', session = 'x') => {
    const never = new AbortController().signal;
    const { client } = images();
    const key = { name: toKeyName(session, owner, deployment), publicKey: `ssh ${owner}` };
    const keyId = await client.ensureKey(key, never);
    const container = toContainerName(owner, deployment);
    const wanted = { imageId: 'i', resultName: 'r', keyId, container, requireDkms: false };
    return client.ensureJob(wanted, never);
  };

  test('keeps nothing of sessions that are over or unknown, and all of others', async () => {
    const running = await addStarted('images');
    const kept = [await make(running), await make('cfs-x-00000000', 'other')].map(({ id }) => id);
    await make('cfs-gone-00000000');
    const packaging = await make('cfs-packs-00000000');
    Object.assign(ims.jobs.get(packaging.id) ?? {}, { status: 'packaging_artifacts' });
    // As a newer IMS might call a part of packaging.
    const newer = await make('cfs-newer-00000000');
    Object.assign(ims.jobs.get(newer.id) ?? {}, { status: 'uploading_artifacts' });

    const { entries } = await run({ images: images() });
    expect(entries.map(({ act, jobId }) => [act, jobId])).toEqual([
      ['remove', 'cfs-gone-00000000'],
      ['remove', 'cfs-packs-00000000'],
      ['remove', 'cfs-newer-00000000'],
    ]);
    expect([...ims.jobs.keys()].sort()).toEqual([...kept, packaging.id, newer.id].sort());
    Object.assign(ims.jobs.get(packaging.id) ?? {}, { status: 'success' });
    Object.assign(ims.jobs.get(newer.id) ?? {}, { status: 'error' });
    await run({ images: images() });
    expect([...ims.jobs.keys()].sort()).toEqual([...kept].sort());
    expect(ims.keys.size).toBe(2);
    await endAll(running);
  });

  test('is tidied up after a session whose own undo failed', async () => {
    const jobId = await addStarted('undone');
    await store.resources.note(jobId, 'ims-container', toContainerName(jobId, 'd0'));
    await store.resources.note(jobId, 'ims-key', toKeyName('undone', jobId, 'd0'));
    await make(jobId, 'd0', 'undone');
    await endAll(jobId);
    const { entries } = await run({ images: images() });
    expect(entries).toMatchObject([{ act: 'remove', jobId }]);
    expect([ims.jobs.size, await store.resources.list(jobId)]).toEqual([0, []]);
  });

  test('that refuses to remove one thing still loses all the others', async () => {
    await make('cfs-stuck-00000000');
    await make('cfs-gone-00000000');
    ims.disturb('DELETE jobs', 'problem');
    const { entries } = await run({ images: images() });
    expect(entries).toMatchObject([{ jobId: 'cfs-gone-00000000' }]);
    expect([ims.jobs.size, ims.keys.size]).toEqual([1, 1]);
    expect(lines).toContainEqual(
      expect.objectContaining({
        jobId: 'cfs-stuck-00000000',
        text: 'the image service could not be swept',
      }),
    );
    await run({ images: images() });
    expect([ims.jobs.size, ims.keys.size]).toEqual([0, 0]);
  });

  test('does not keep sessions from being swept while it is away', async () => {
    const jobId = await addStarted('away');
    await temporal.client.workflow.getHandle(jobId).terminate();
    const away = createImsClient({ url: 'http://127.0.0.1:1', timeoutSeconds: 1 });
    const { entries } = await run({ images: { ...images(), client: away } });
    expect(entries).toMatchObject([{ act: 'restart', jobId }]);
    expect(lines).toContainEqual(
      expect.objectContaining({ text: 'the image service could not be swept' }),
    );
    await endAll(jobId);
  });
});

describe('sweep', () => {
  test('gives a session that was terminated a workflow again, and leaves one that runs alone', async () => {
    const [ended, running] = [await addStarted('ended'), await addStarted('running')];
    await temporal.client.workflow.getHandle(ended).terminate();

    const dry = await run({ dryRun: true });
    expect(dry).toMatchObject({ examined: 2, entries: [{ act: 'restart', jobId: ended }] });
    expect(await statusOf(ended)).toBe('TERMINATED');

    expect((await run()).entries).toEqual(dry.entries);
    expect(await statusOf(ended)).toBe('RUNNING');
    expect((await run()).entries).toEqual([]);
    expect(lines).toContainEqual(
      expect.objectContaining({ act: 'restart', session: 'ended', dryRun: false }),
    );
    await endAll(ended, running);
  });

  test('sweeps all sessions but one whose record cannot be read, and names that one', async () => {
    const [spoilt, ended] = [await addStarted('a-spoilt'), await addStarted('b-ended')];
    const restore = spoil(spoilt);
    await temporal.client.workflow.getHandle(ended).terminate();

    const { entries, failures, examined } = await run();
    expect(entries).toMatchObject([{ act: 'restart', jobId: ended }]);
    expect(failures).toMatchObject([
      { session: 'a-spoilt', jobId: spoilt, why: expect.stringContaining('JSON') },
    ]);
    expect(examined).toBe(2);
    expect(lines).toContainEqual(
      expect.objectContaining({ session: 'a-spoilt', text: 'a session could not be swept' }),
    );
    expect(lines.at(-1)).toEqual({
      ...{ examined: 2, failed: 1, text: 'sweep could not do everything' },
    });
    restore();
    expect((await run()).failures).toEqual([]);
    await endAll(spoilt, ended);
  });

  test('tidies up after all sessions but one whose record cannot be read', async () => {
    const added = [];
    for (const name of ['c-spoilt', 'd-staged']) {
      const { jobId } = await store.sessions.insert(aNewSession(name));
      await store.stagedFiles.save(jobId, 'inventory', new Uint8Array([1]));
      await store.sessions.recordOutcome(jobId, { succeeded: 'true' }, new Date().toISOString());
      added.push(jobId);
    }
    const restore = spoil(added[0] ?? '');
    const { entries, failures } = await run();
    expect(entries).toMatchObject([{ act: 'remove', session: 'd-staged' }]);
    expect(failures).toMatchObject([{ session: 'c-spoilt' }]);
    restore();
  });

  test('starts one again that Temporal does not know', async () => {
    const jobId = `cfs-emptied-0123abcd`;
    await store.sessions.insert({ ...aNewSession('emptied'), jobId });
    expect((await run()).examined).toBe(0);
    await store.sessions.recordDispatched(jobId, 'started');
    expect((await run()).entries).toMatchObject([{ act: 'restart', jobId }]);
    expect(await statusOf(jobId)).toBe('RUNNING');
    await endAll(jobId);
  });

  test('has a session completed whose workflow has ended although its record has not, and copies the outcome if that was in vain', async () => {
    const outcome = { succeeded: 'false', reason: 'TASK_FAILED', message: 'It broke.' } as const;
    const jobId = await addStarted('closed');
    const connection = await NativeConnection.connect({ address: temporal.address });
    const close = async () => {
      const worker = await Worker.create({
        connection,
        taskQueue,
        workflowBundle: { codePath: BUNDLE },
        activities: { claimSession: () => ({ kind: 'complete', outcome }) },
      });
      const handle = temporal.client.workflow.getHandle(jobId);
      await worker.runUntil(handle.result().catch(() => undefined));
    };
    await close();

    const dry = await run({ dryRun: true });
    expect(dry.entries).toMatchObject([{ act: 'restart', jobId }]);
    expect(await store.sessions.get(jobId)).toMatchObject({ attachOnly: false });
    expect((await run()).entries).toEqual(dry.entries);
    const noted = await store.sessions.get(jobId);
    expect(noted).toMatchObject({ knownEnd: { outcome }, attachOnly: true });
    expect(await statusOf(jobId)).toBe('RUNNING');
    await close();
    await connection.close();
    expect((await run()).entries).toMatchObject([{ act: 'record', jobId }]);
    const session = await store.sessions.get(jobId);
    expect(session).toMatchObject({ state: 'complete', outcome });
  });

  test('copies which images were made, and begins again what found no record', async () => {
    const artifact = { imageId: 'i', resultId: 'r', type: 'ims_customized_image' } as const;
    const outcome = { succeeded: 'true', artifacts: [artifact] };
    const jobId = await addStarted('image', { target: { definition: 'image' } });
    const early = await addStarted('early');
    const ends = [jobId, early].map((id) => temporal.client.workflow.getHandle(id).result());
    const connection = await NativeConnection.connect({ address: temporal.address });
    const worker = await Worker.create({
      connection,
      taskQueue,
      workflowBundle: { codePath: BUNDLE },
      activities: {
        claimSession(input: { readonly jobId: string }) {
          if (input.jobId === early) throw ApplicationFailure.nonRetryable('no record', 'missing');
          return { kind: 'complete', outcome };
        },
      },
    });
    await worker.runUntil(Promise.allSettled(ends));
    await connection.close();
    expect((await run()).entries.map(({ act, jobId: id }) => [id, act]).sort()).toEqual(
      [
        [jobId, 'record'],
        [early, 'restart'],
      ].sort(),
    );
    const session = await store.sessions.get(jobId);
    expect(session).toMatchObject({ artifacts: [artifact], outcome: { succeeded: 'true' } });
    expect(await store.sessions.get(early)).toMatchObject({ attachOnly: false });
    await endAll(early);
  });

  test('tells a session that its machine is lost, if the option sets a time for that', async () => {
    const jobId = await addStarted('lost');
    await store.sessions.claim(jobId, { at: new Date().toISOString(), machine: 'm' });
    const launch = { at: new Date().toISOString(), incarnation: 'i', machine: 'm' };
    await store.sessions.recordLaunch(jobId, launch);
    await store.sweep.seeMachine('m', '2026-01-01T00:00:00.000Z');
    await store.sweep.seeMachine('own', '2026-01-01T00:00:00.000Z');
    expect((await run()).entries).toEqual([]);
    // Its own machine was silent as well, so the database was away.
    expect((await run({ machineLostSeconds: 60, machine: 'own' })).entries).toEqual([]);
    const now = Date.now();
    const ago = (minutes: number) => new Date(now - minutes * 60_000).toISOString();
    const seen = ago(5);
    await store.sweep.seeMachine('m', seen);
    // The database was not away: its own machine was heard of meanwhile.
    for (const minutes of [5, 4, 3, 2, 1, 0]) await store.sweep.seeMachine('own', ago(minutes));
    expect((await run({ machineLostSeconds: 60, machine: 'own' })).entries).toMatchObject([
      { act: 'lose', jobId, why: expect.stringContaining(seen) },
    ]);
    const { events } = await temporal.client.workflow.getHandle(jobId).fetchHistory();
    const signals = events?.flatMap(
      ({ workflowExecutionSignaledEventAttributes: signal }) => signal?.signalName ?? [],
    );
    expect(signals).toEqual(['jobLost']);
    await endAll(jobId);
  });

  test('leaves a machine alone that was heard of a moment ago, however short the option is', async () => {
    const jobId = await addStarted('alive');
    await store.sessions.claim(jobId, { at: new Date().toISOString(), machine: 'alive' });
    await store.sweep.seeMachine('alive', new Date(Date.now() - 45_000).toISOString());
    expect((await run({ machineLostSeconds: 1 })).entries).toEqual([]);
    await endAll(jobId);
  });

  test('lets images be packaged although the machine is lost, and tells the session afterwards', async () => {
    const jobId = await addStarted('packaging');
    const now = new Date().toISOString();
    await store.sessions.claim(jobId, { at: now, machine: 'packing' });
    await store.sessions.recordLaunch(jobId, { at: now, incarnation: 'i', machine: 'packing' });
    await store.phases.savePlan(jobId, [{ name: 'teardown', kind: 'teardown', title: 'images' }]);
    await store.sessions.recordTeardown(jobId, now);
    await store.sweep.seeMachine('packing', '2026-01-01T00:00:00.000Z');
    expect((await run({ machineLostSeconds: 3600 })).entries).toEqual([]);
    const result = { kind: 'exited', exitCode: 0, startedAt: now, endedAt: now } as const;
    await store.phases.seal(jobId, 'teardown', result, now);
    const { entries } = await run({ machineLostSeconds: 3600 });
    expect(entries).toMatchObject([{ act: 'lose', jobId }]);
    await endAll(jobId);
  });

  test('gives a session to another machine if its own is lost and has not launched it', async () => {
    const jobId = await addStarted('moved');
    const first = await temporal.client.workflow.getHandle(jobId).describe();
    await store.sessions.claim(jobId, { at: new Date().toISOString(), machine: 'm' });
    await store.sweep.seeMachine('m', '2026-01-01T00:00:00.000Z');
    expect((await run({ machineLostSeconds: 60 })).entries).toMatchObject([
      { act: 'move', jobId, why: expect.stringContaining('2026-01-01T00:00:00.000Z') },
    ]);
    const { status, runId } = await temporal.client.workflow.getHandle(jobId).describe();
    expect([status.name, runId === first.runId]).toEqual(['RUNNING', false]);
    const before = temporal.client.workflow.getHandle(jobId, first.runId);
    expect((await before.describe()).status.name).toBe('TERMINATED');
    expect((await store.sessions.get(jobId))?.machine).toBeUndefined();
    expect((await run({ machineLostSeconds: 60 })).entries).toEqual([]);
    await endAll(jobId);
  });

  test('removes what sessions that are over left, so many at a time, and says that more is there', async () => {
    for (const name of ['left-1', 'left-2']) {
      const { jobId } = await store.sessions.insert(aNewSession(name));
      await store.stagedFiles.save(jobId, 'inventory', new Uint8Array([1]));
      await endAll(jobId);
    }
    const first = await run({ limit: 1 });
    expect(first.halted).toContain('More than 1');
    expect(lines).toContainEqual({ halted: first.halted, text: 'sweep halted' });
    const last = await run({ limit: 1 });
    expect(last.halted).toBeUndefined();
    const removed = [first, last].flatMap(({ entries }) => entries.map(({ session }) => session));
    expect(removed.sort()).toEqual(['left-1', 'left-2']);
    expect((await run()).entries).toEqual([]);
  });

  test('removes what can be removed, whatever comes before it', async () => {
    const stuck = await store.sessions.insert(aNewSession('a-stuck'));
    await store.resources.note(stuck.jobId, 'ims-container', 'of a service that is gone');
    const other = await store.sessions.insert(aNewSession('b-other'));
    await store.stagedFiles.save(other.jobId, 'inventory', new Uint8Array([1]));
    await endAll(stuck.jobId, other.jobId);
    const removed: string[] = [];
    for (let left = 100; left > 0 && removed.length === 0; left -= 1)
      removed.push(...(await run({ limit: 1 })).entries.map(({ session }) => session));
    expect(removed).toEqual(['b-other']);
    await store.resources.remove(stuck.jobId, 'ims-container', 'of a service that is gone');
  });

  test('does nothing in another Temporal, and says what to run', async () => {
    const jobId = await addStarted('foreign');
    await temporal.client.workflow.getHandle(jobId).terminate();
    await store.sweep.rebindTemporal('another');
    expect(await run()).toMatchObject({
      examined: 0,
      entries: [],
      halted: expect.stringContaining('npm run sweep -- --rebind'),
    });
    await store.sweep.rebindTemporal(await orchestrator.namespaceId());
    expect((await run()).entries).toMatchObject([{ act: 'restart', jobId }]);
    await endAll(jobId);
  });
});

test('sweep reports to whom it gives a free place, and a dry run to whom it would', async () => {
  await store.options.patch({ maxRunningSessions: 1 });
  const [holder, waiter] = [await addStarted('holder'), await addStarted('waiter')];
  for (const jobId of [holder, waiter])
    await store.sessions.claim(jobId, { at: new Date().toISOString() });
  expect((await run()).entries).toEqual([]);
  // Not by the API, which would give the places on.
  await store.options.patch({ maxRunningSessions: 2 });
  const dry = await run({ dryRun: true });
  expect(dry.entries).toMatchObject([{ act: 'admit', session: 'waiter', jobId: waiter }]);
  expect(await store.sessions.get(waiter)).not.toHaveProperty('admittedAt');
  expect((await run()).entries).toEqual(dry.entries);
  expect(lines).toContainEqual(
    expect.objectContaining({ act: 'admit', session: 'waiter', dryRun: false }),
  );
  expect(await store.sessions.get(waiter)).toHaveProperty('admittedAt');
  await store.options.patch({ maxRunningSessions: 0 });
  await endAll(holder, waiter);
});

describe('sweep, after Temporal has lost its last moments', () => {
  const signalsOf = async (jobId: string) => {
    const { events } = await temporal.client.workflow.getHandle(jobId).fetchHistory();
    return events?.flatMap(
      ({ workflowExecutionSignaledEventAttributes: signal }) => signal?.signalName ?? [],
    );
  };

  test('a session is told once more that it has its place, and not again before it could react', async () => {
    const jobId = await addWaiting('placed');
    await store.sessions.claim(jobId, { at: new Date().toISOString() });
    const dry = await run({ dryRun: true });
    expect(dry.entries).toMatchObject([{ act: 'tell', jobId }]);
    expect(await signalsOf(jobId)).toEqual([]);
    expect((await run()).entries).toEqual(dry.entries);
    expect(await signalsOf(jobId)).toEqual(['admitted']);
    expect((await run()).entries).toEqual([]);
    await endAll(jobId);
  });

  test('a session is not told again that is told for the first time while it is looked at', async () => {
    const jobId = await addWaiting('just-now');
    await store.sessions.claim(jobId, { at: new Date().toISOString() });
    const late = {
      ...orchestrator,
      async describeSession(id: string) {
        const workflow = await orchestrator.describeSession(id);
        if ((await signalsOf(id))?.length === 0) await orchestrator.admitSession(id);
        return workflow;
      },
    };
    expect((await run({ orchestrator: late })).entries).toEqual([]);
    expect(await signalsOf(jobId)).toEqual(['admitted']);
    await endAll(jobId);
  });

  test('a session is told once more that it is cancelled, by whom and why', async () => {
    const jobId = await addWaiting('unwanted');
    const at = new Date().toISOString();
    await store.sessions.claim(jobId, { at });
    await store.sessions.requestCancel('unwanted', { at, by: 'ann', reason: 'enough' });
    expect((await run()).entries).toEqual([]);
    await store.sessions.recordDispatched(jobId, 'cancelled');
    expect((await run()).entries).toMatchObject([{ act: 'tell', jobId }]);
    const { events } = await temporal.client.workflow.getHandle(jobId).fetchHistory();
    const told = events?.flatMap(({ workflowExecutionSignaledEventAttributes: signal }) =>
      signal ? [signal.signalName, String(signal.input?.payloads?.[0]?.data)] : [],
    );
    expect(told).toEqual(['cancel', '{"by":"ann","reason":"enough"}']);
    expect((await run()).entries).toEqual([]);
    await endAll(jobId);
  });

  test('a session that waits in turn is left alone', async () => {
    const [first, second] = [await addWaiting('first'), await addWaiting('second')];
    await store.options.patch({ maxRunningSessions: 1 });
    for (const jobId of [first, second])
      await store.sessions.claim(jobId, { at: new Date().toISOString() });
    const { entries } = await run();
    expect(entries.map(({ act, jobId }) => [act, jobId])).toEqual([['tell', first]]);
    expect(await signalsOf(second)).toEqual([]);
    await endAll(first, second);
    await store.options.patch({ maxRunningSessions: 0 });
  });

  test('a session that waits although its record knows of no queue gets a new workflow', async () => {
    const jobId = await addWaiting('unknown');
    const handle = temporal.client.workflow.getHandle(jobId);
    const { runId } = await handle.describe();
    expect((await run()).entries).toMatchObject([{ act: 'restart', jobId }]);
    const after = await handle.describe();
    expect([after.status.name, after.runId === runId]).toEqual(['RUNNING', false]);
    await endAll(jobId);
  });

  test('a new run is not ended because an earlier one waited', async () => {
    const jobId = await addWaiting('renewed');
    const handle = temporal.client.workflow.getHandle(jobId);
    let runId: string | undefined;
    const renewing = {
      ...orchestrator,
      async describeSession(id: string) {
        const workflow = await orchestrator.describeSession(id);
        const session = await store.sessions.get(id);
        await handle.terminate();
        if (session !== undefined) await orchestrator.restartSession(toSessionStart(session));
        ({ runId } = await handle.describe());
        return workflow;
      },
    };
    await run({ orchestrator: renewing });
    expect(await handle.describe()).toMatchObject({ runId, status: { name: 'RUNNING' } });
    await endAll(jobId);
  });

  test('no workflow waits for ever for a session that is over, or that has no record', async () => {
    const [over, lost] = [await addWaiting('over'), await addWaiting('lost-record')];
    const [other, begun] = [await addWaiting('other'), await addStarted('begun')];
    await store.sessions.recordOutcome(over, { succeeded: 'true' }, new Date().toISOString());
    const database = new DatabaseSync(join(directory, 'keelson.db'));
    for (const jobId of [lost, begun])
      database.prepare('delete from sessions where job_id = ?').run(jobId);
    database.close();
    await store.sessions.claim(other, { at: new Date().toISOString() });
    await waitFor(
      async () => {
        const listed = await orchestrator.listWaiting();
        return [over, lost, other].every((jobId) => listed.includes(jobId));
      },
      { what: 'the workflows to be listed' },
    );
    const { entries, failures } = await run();
    expect(entries.map(({ act, jobId }) => [act, jobId])).toEqual([
      ['tell', other],
      ...[over, lost].sort().map((jobId) => ['end', jobId]),
    ]);
    expect(failures).toEqual([]);
    const states = [over, lost, other, begun].map(statusOf);
    expect(await Promise.all(states)).toEqual(['TERMINATED', 'TERMINATED', 'RUNNING', 'RUNNING']);
    expect(await store.sessions.get(over)).toMatchObject({ outcome: { succeeded: 'true' } });
    await endAll(other, begun);
  });
});

describe('sweep, of a workflow whose code has changed under it', () => {
  const message = async (jobId: string) => (await store.sessions.get(jobId))?.waiting?.message;

  test('says that it fails again and again, and that it goes on once it does', async () => {
    const jobId = await addWaiting('changed');
    await store.sessions.claim(jobId, { at: new Date().toISOString() });
    await orchestrator.admitSession(jobId);
    const changed = await bundleWorkflowCode({
      workflowsPath: fileURLToPath(
        new URL('../fixtures/changed-workflow/unpatched-first.ts', import.meta.url),
      ),
      logger: new DefaultLogger('ERROR'),
    });
    const codePath = join(directory, 'changed.js');
    await writeFile(codePath, changed.code);
    const isFailing = async () => (await describeRunning(jobId)).failing !== undefined;
    await workUntil(codePath, isFailing, 'the workflow to fail again and again');

    expect(await run({ dryRun: true })).toMatchObject({ entries: [], failures: [{ jobId }] });
    expect(await message(jobId)).toBeUndefined();
    const { entries, failures } = await run();
    expect(entries).toEqual([]);
    expect(failures).toMatchObject([
      { session: 'changed', why: expect.stringMatching(/failed \d+ times in a row.*TMPRL1100/) },
    ]);
    expect(await message(jobId)).toMatch(
      /^Waiting: its workflow fails .* docs\/operate.md.*TMPRL1100/,
    );

    const goesOn = async () => (await describeRunning(jobId)).activities.length > 0;
    await workUntil(BUNDLE, goesOn, 'the workflow to go on');
    expect((await run()).failures).toEqual([]);
    expect(await message(jobId)).toBeUndefined();
    await endAll(jobId);
  }, 240_000);
});
