import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { planJob } from '../../src/core/plan.js';
import { aSession, aSnapshot } from '../support/session-builders.js';
import { exited } from '../support/session-worker.js';
import { openActivitySite, type ActivitySite } from '../support/activity-site.js';
import { addPlannedSession, at, readAll } from '../support/store-builders.js';

let site: ActivitySite;
let jobId: string;
beforeEach(async () => {
  site = await openActivitySite({ machine: 'm1' });
  jobId = await addPlannedSession(site.store);
});
afterEach(() => site.close());

const record = (input: object = {}) =>
  site.run(site.activities.recordOutcome, { jobId, leftovers: [], ...input });

describe('claimSession', () => {
  test('goes on, on the machine that claimed it first', async () => {
    const claim = await site.run(site.activities.claimSession, { jobId });
    expect(claim).toMatchObject({ kind: 'go', launched: false, machineQueue: 'host-m1' });
  });

  test('answers with the outcome of a session that was cancelled before', async () => {
    await site.store.sessions.requestCancel('a', { at: at(1), by: 'ann' });
    expect(await site.run(site.activities.claimSession, { jobId })).toMatchObject({
      kind: 'complete',
      outcome: { succeeded: 'false', reason: 'CANCELLED' },
    });
  });

  test('attaches to what was launched', async () => {
    await site.store.sessions.recordLaunch(jobId, { at: at(1), incarnation: 'i' });
    expect(await site.run(site.activities.claimSession, { jobId })).toMatchObject({
      kind: 'attach',
      launched: true,
    });
  });
});

describe('recordOutcome', () => {
  test('tells the failure of a step, with its phase where it has one', async () => {
    const outcome = await record({ failure: { reason: 'INVENTORY', message: 'HSM is away' } });
    expect(outcome).toEqual({
      succeeded: 'false',
      reason: 'INVENTORY',
      message: 'HSM is away',
      phase: 'inventory',
    });
  });

  test('tells who cancelled, and why', async () => {
    await site.store.sessions.claim(jobId, { at: at(1) });
    const note = await site.run(site.activities.noteCancel, { jobId, by: 'ann', reason: 'enough' });
    expect(note).toEqual({ launched: false });
    expect(await record()).toMatchObject({
      reason: 'CANCELLED',
      message: 'Cancelled by ann before it started: enough',
    });
  });

  test.each([
    ['unlike the record', 'it broke', { reason: 'TASK_FAILED' }, { message: 'known' }],
    [
      'like the record, which tells more',
      'it hung',
      { reason: 'INVENTORY' },
      { phase: 'inventory' },
    ],
  ] as const)('tells how the workflow has ended before: %s', async (_, message, known, told) => {
    const before = { succeeded: 'false', message: 'known', ...known } as const;
    await site.store.sessions.recordKnownEnd(jobId, { runId: 'r', outcome: before });
    const outcome = await record({ failure: { reason: 'INVENTORY', message } });
    expect(outcome).toMatchObject({ ...known, ...told });
    expect(await site.store.sessions.get(jobId)).toMatchObject({ outcome });
  });

  test('tells the workflow of a cancel whether the record has a launched job', async () => {
    await site.store.sessions.claim(jobId, { at: at(1) });
    await site.store.sessions.recordLaunch(jobId, { at: at(2), incarnation: 'one' });
    const note = await site.run(site.activities.noteCancel, { jobId, by: 'ann' });
    expect(note).toEqual({ launched: true });
  });

  test.each<[string, unknown, string | undefined]>([
    ['an object', { because: 'enough' }, undefined],
    ['what no database takes', 'e\0n\uD800d', 'e\uFFFDn\uFFFDd'],
  ])('takes a cancel by hand whose reason is %s', async (_, told, reason) => {
    await site.store.sessions.claim(jobId, { at: at(1) });
    const input = { jobId, by: 'ann', reason: told as string };
    await site.run(site.activities.noteCancel, input);
    const session = await site.store.sessions.get(jobId);
    expect([session?.desired, session?.cancelReason]).toEqual(['cancel', reason]);
  });

  test('names what was left behind', async () => {
    const outcome = await record({
      failure: { reason: 'GIT_REF', message: 'no branch' },
      leftovers: ['job (refused)'],
    });
    expect(outcome.message).toBe('Left behind: job (refused). no branch');
  });

  test('does not know how a launched job without results ended', async () => {
    await site.store.sessions.saveSnapshot(jobId, aSnapshot());
    await site.store.sessions.recordLaunch(jobId, { at: at(1), incarnation: 'i' });
    expect(await record()).toMatchObject({ succeeded: 'unknown', reason: 'JOB_LOST' });
  });

  test.each([
    ['the plan', false],
    ['the end of ansible-0', true],
  ])('has the workflow begin again if the record has lost %s', async (what, hasPlan) => {
    const { sessions } = site.store;
    await sessions.recordLaunch(jobId, { at: at(1), incarnation: 'i' });
    if (hasPlan) await sessions.saveSnapshot(jobId, aSnapshot());
    await expect(record({ mayBeginAgain: true })).rejects.toMatchObject({
      isSetBack: true,
      message: expect.stringContaining(`has lost ${what} of job ${jobId}`),
    });
    expect(await record()).toMatchObject({ succeeded: 'unknown', reason: 'JOB_LOST' });
  });

  test.each([
    ['takes the cancel that the record has lost', false, 'CANCELLED', 'Cancelled by ann'],
    ['takes no cancel that came too late', true, 'JOB_LOST', 'vanished'],
  ])('%s', async (_, isTooLate, reason, message) => {
    const { sessions } = site.store;
    await sessions.claim(jobId, { at: at(1) });
    if (isTooLate) {
      await sessions.saveSnapshot(jobId, aSnapshot());
      await sessions.recordLaunch(jobId, { at: at(1), incarnation: 'i' });
      await sessions.recordTeardown(jobId, at(2));
    }
    expect(await record({ cancel: { by: 'ann' } })).toMatchObject({
      reason,
      message: expect.stringContaining(message),
    });
  });

  test('tells the workflow which images were made', async () => {
    const artifact = { imageId: 'i', resultId: 'r', type: 'ims_customized_image' } as const;
    await site.store.sessions.addArtifact(jobId, artifact);
    const failure = { reason: 'IMAGE_PACKAGE', message: 'no' };
    expect(await record({ failure })).toMatchObject({ artifacts: [artifact] });
    expect(await record({ failure })).toMatchObject({ artifacts: [artifact] });
  });

  test.each([
    ['may lack its end', undefined, /^some\n\[this log may lack its end: .*\]\n$/],
    ['is whole', 5, /^some\n$/],
  ])('tells of a phase that nobody saw end that its log %s', async (_, logBytes, log) => {
    const { sessions, phases, logs } = site.store;
    await sessions.recordLaunch(jobId, { at: at(1), incarnation: 'i' });
    await phases.start(jobId, 'ansible-0');
    await logs.append(jobId, 'ansible-0', 0, Buffer.from('some\n'));
    if (logBytes !== undefined)
      await phases.report(jobId, 'ansible-0', { state: 'ended', startedAt: at(1), logBytes });
    const failure = { reason: 'JOB_LOST', message: 'Machine m1 was last seen yesterday.' };

    expect(await record({ failure })).toMatchObject({ succeeded: 'unknown', reason: 'JOB_LOST' });

    expect(await readAll(logs.read(jobId, 'ansible-0', 0))).toMatch(log);
  });

  /** Returns the phases of the job by name. */
  async function launch(): Promise<readonly string[]> {
    const { sessions, phases } = site.store;
    const snapshot = await sessions.saveSnapshot(jobId, aSnapshot());
    await sessions.recordLaunch(jobId, { at: at(1), incarnation: 'i' });
    const { phases: planned } = planJob({ ...aSession(), jobId }, snapshot);
    const names = planned.map(({ name }) => name).sort();
    await phases.savePlan(
      jobId,
      names.map((name) => ({ name, kind: 'ansible', title: name })),
    );
    return names;
  }

  test.each(['sealed', 'told'])(
    'takes the word of a job whose machine was lost: %s',
    async (by) => {
      const { phases } = site.store;
      const names = await launch();
      const failure = { reason: 'JOB_LOST', message: 'm1 is gone.' };
      for (const name of names) {
        const result = exited(name === 'ansible-0' ? 2 : 0);
        const report = { state: 'ended', startedAt: at(1), result } as const;
        await (by === 'told'
          ? phases.report(jobId, name, report)
          : phases.seal(jobId, name, result, at(2)));
      }
      const outcome = await record({ failure });
      expect(outcome).toMatchObject({ succeeded: 'false', reason: 'PLAYBOOK_ERROR' });
      expect((await phases.list(jobId))[0]).toMatchObject({ state: 'ended', result: exited(2) });
    },
  );

  test.each([
    ['a short report', 10],
    ['one that is longer than what is looked at', 100_000],
  ])('tells what a playbook has said last, before %s', async (_, length) => {
    const { phases, logs } = site.store;
    const names = await launch();
    const report = `keelson-report:${'A'.repeat(length)}:${'0'.repeat(64)}`;
    const log = `ERROR! It cannot go on:\nno room\n${report}\n`;
    await logs.append(jobId, 'ansible-0', 0, Buffer.from(log));
    for (const name of names)
      await phases.seal(jobId, name, exited(name === 'ansible-0' ? 250 : 0), at(2));
    expect((await record()).message).toMatch(/: It cannot go on: no room$/);
  });

  test.each([
    ['known', true, 'NO_HOSTS', 'No host ran a task'],
    ['known, and not where they are lost', false, undefined, 'results did not reach the API'],
  ])(
    'says that no host ran a task only where its results are %s',
    async (_, final, reason, message) => {
      const { phases, hosts } = site.store;
      for (const name of await launch()) {
        await hosts.save(jobId, name, { sequence: 1, final, hosts: [] });
        await phases.seal(jobId, name, exited(0), at(2));
      }
      const outcome = await record();
      expect(outcome).toMatchObject({
        succeeded: 'true',
        message: expect.stringContaining(message),
      });
      expect(outcome.reason).toBe(reason);
    },
  );

  test('is no success if the last phase on a lost machine has not reported', async () => {
    const { sessions, phases } = site.store;
    await sessions.saveSnapshot(jobId, aSnapshot());
    await sessions.recordLaunch(jobId, { at: at(1), incarnation: 'i' });
    await phases.report(jobId, 'ansible-0', {
      ...{ state: 'ended', startedAt: at(1), result: exited(0) },
    });
    const failure = { reason: 'JOB_LOST', message: 'm1 is gone.' };
    expect(await record({ failure })).toMatchObject({ succeeded: 'unknown', reason: 'JOB_LOST' });
  });

  test('logs how the session ended, by its name and job id', async () => {
    await record({ failure: { reason: 'GIT_REF', message: 'no branch' } });
    expect(site.lines).toMatchObject([
      { text: 'session ended', session: 'a', jobId, succeeded: 'false', reason: 'GIT_REF' },
    ]);
  });

  test('keeps the first outcome', async () => {
    const first = await record({ failure: { reason: 'GIT_REF', message: 'no branch' } });
    expect(await record({ failure: { reason: 'GIT_CLONE', message: 'away' } })).toEqual(first);
  });
});
