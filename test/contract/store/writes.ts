import { gzipSync } from 'node:zlib';
import { describe, expect, test } from '@jest/globals';
import type { Change, Store } from '../../../src/store/store.js';
import { aSnapshot } from '../../support/session-builders.js';
import { aNewSession, at, readAll } from '../../support/store-builders.js';
import type { Stores } from '../store-contract.js';

interface Named {
  readonly jobId: string;
  readonly name: string;
}

/** A write that concerns one session. */
interface Step {
  readonly act: (store: Store, session: Named) => Promise<unknown>;
  /** Whether people can see what it changes, so that those who follow the session must be told. */
  readonly isSeen: boolean;
}

const seen = (act: Step['act']): Step => ({ act, isSeen: true });
const unseen = (act: Step['act']): Step => ({ act, isSeen: false });

const PHASE = 'ansible-0';
const wait = { since: at(3), message: 'Waiting: HSM' };
const hold = { since: at(10), until: at(60), command: 'sh', canRerun: true };
const launch = { at: at(4), incarnation: 'i', machine: 'm' };
const host = { host: 'x1', ok: 1, changed: 0, failed: 1, skipped: 0, unreachable: 0 };
const silence = { task: 'Mount', since: at(5), hosts: 1, names: ['x1'], others: 0 };
const phases = (['inventory', PHASE, 'teardown'] as const).map((name) => ({
  ...{ name, title: name },
  kind: name === PHASE ? ('ansible' as const) : name,
}));

const beginning: readonly Step[] = [
  unseen(({ sessions }, { jobId }) => sessions.recordDispatched(jobId, 'started')),
  unseen(({ sessions }, { jobId }) => sessions.returnWish(jobId, at(2))),
  seen(({ sessions }, { jobId }) => sessions.claim(jobId, { at: at(1), machine: 'm' })),
  seen(({ sessions }, { jobId }) => sessions.unclaim(jobId, 'm')),
  seen(({ sessions }, { jobId }) => sessions.claim(jobId, { at: at(2), machine: 'm' })),
  unseen(({ sessions }, { jobId }) => sessions.saveSnapshot(jobId, aSnapshot())),
  seen(({ phases: store }, { jobId }) => store.savePlan(jobId, phases)),
  unseen(({ resources }, { jobId }) => resources.note(jobId, 'ims-key', 'k')),
  seen(({ sessions }, { jobId }) => sessions.markRunning(jobId)),
  seen(({ sessions }, { jobId }) => sessions.recordImsJob(jobId, 'j')),
  seen(async ({ logs }, { jobId }) => {
    await logs.appendLine(jobId, 'inventory', 'line');
    await logs.handOver(jobId, 'inventory');
  }),
  seen(({ sessions }, { jobId }) => sessions.recordWait(jobId, wait)),
  seen(({ sessions }, { jobId }) => sessions.recordWaitEnd(jobId, wait)),
  unseen(({ stagedFiles }, { jobId }) => stagedFiles.save(jobId, 'hosts', gzipSync('x1'))),
];
const launches: Readonly<Record<'recordLaunch' | 'recordAttach', Step>> = {
  recordLaunch: seen(({ sessions }, { jobId }) => sessions.recordLaunch(jobId, launch)),
  recordAttach: seen(({ sessions }, { jobId }) => sessions.recordAttach(jobId, launch)),
};
const rest: readonly Step[] = [
  seen(({ phases: store }, { jobId }) => store.start(jobId, PHASE)),
  seen(({ phases: store }, { jobId }) =>
    store.report(jobId, PHASE, { state: 'running', startedAt: at(5) }),
  ),
  seen(({ logs }, { jobId }) => logs.append(jobId, PHASE, 0, Buffer.from('log\n'))),
  seen(({ logs }, { jobId }) => logs.recordGap(jobId, PHASE, 'gap')),
  seen(({ hosts }, { jobId }) =>
    hosts.save(jobId, PHASE, {
      ...{ sequence: 1, final: false, hosts: [{ ...host, incomplete: false }] },
    }),
  ),
  seen(({ phases: store }, { jobId }) => store.tellSilence(jobId, PHASE, { sequence: 1, silence })),
  seen(({ phases: store }, { jobId }) => store.hold(jobId, PHASE, hold, at(10))),
  seen(({ phases: store }, { jobId }) =>
    store.endHold(jobId, { at: at(11), by: 'api', rerun: true, since: hold.since }),
  ),
  seen(({ hosts }, { jobId }) =>
    hosts.save(jobId, PHASE, {
      ...{ sequence: 9, final: true, hosts: [] },
      rerun: { count: 1, filesChanged: true, firstSequence: 9 },
    }),
  ),
  seen(({ sessions }, { jobId }) =>
    sessions.addArtifact(jobId, { imageId: 'i', resultId: 'r', type: 'ims_customized_image' }),
  ),
  seen(({ phases: store }, { jobId }) =>
    store.seal(jobId, PHASE, { kind: 'killed', reason: 'stopped' }, at(20)),
  ),
  seen(({ sessions }, { jobId }) => sessions.recordTeardown(jobId, at(21))),
  seen(({ sessions }, { jobId }) => sessions.noteCancel(jobId, { at: at(22), by: 'ann' })),
  unseen(({ sessions }, { jobId }) => sessions.recordStop(jobId, at(23))),
  unseen(({ resources }, { jobId }) => resources.remove(jobId, 'ims-key', 'k')),
  unseen(({ stagedFiles }, { jobId }) => stagedFiles.remove(jobId)),
  unseen(({ sessions }, { jobId }) =>
    sessions.recordKnownEnd(jobId, { runId: 'r', outcome: { succeeded: 'true' } }),
  ),
  seen(({ sessions }, { jobId }) => sessions.recordOutcome(jobId, { succeeded: 'true' }, at(24))),
];
const requests: readonly Step[] = [
  seen(({ sessions }, { name }) =>
    sessions.patch(name, ({ state, createdAt }) => ({
      ...{ state, createdAt, succeeded: 'none' },
      patched: { artifacts: [], session: { job: 'own' } },
    })),
  ),
  seen(({ sessions }, { name }) => sessions.requestDelete(name, { at: at(25) })),
];

export function writeContract(stores: () => Stores): void {
  describe('each write of a session', () => {
    test.each(['recordLaunch', 'recordAttach'] as const)(
      'leaves a session like it as it is, and is told to those who follow (%s)',
      async (how) => {
        const { store, other } = stores();
        const one = await store.sessions.insert(aNewSession('a'));
        const two = await store.sessions.insert(aNewSession('b'));
        // The phase that no step is about.
        const untouched = {
          ...{ ...phases[2], jobId: one.jobId, position: 2 },
          ...{ state: 'pending', logBytes: 0, hostsFinal: false },
        };
        const heard: Change[] = [];
        store.subscribe((change) => heard.push(change));
        for (const { act, isSeen } of [...beginning, launches[how], ...rest, ...requests]) {
          for (const [own, alike] of [
            [one, two],
            [two, one],
          ] as const) {
            const before = await readRecords(other, alike.jobId);
            heard.length = 0;
            await act(store, own);
            if (isSeen) expect(heard).toContainEqual({ kind: 'session', jobId: own.jobId });
            expect({ act, ...(await readRecords(other, alike.jobId)) }).toEqual({ act, ...before });
          }
          const records = await readRecords(other, one.jobId);
          expect(toOther(await readRecords(other, two.jobId))).toEqual(toOther(records));
          const teardown = records.phases[2];
          if (teardown?.sealedAt === undefined) expect(teardown ?? untouched).toEqual(untouched);
        }
        expect(await store.sessions.get(one.jobId)).toMatchObject({ state: 'complete' });
      },
    );

    test('that a job or a worker makes too late changes nothing of a complete session', async () => {
      const { store } = stores();
      const session = await store.sessions.insert(aNewSession('a'));
      await store.sessions.recordDispatched(session.jobId, 'started');
      await store.phases.savePlan(session.jobId, phases);
      await store.sessions.recordOutcome(session.jobId, { succeeded: 'false' }, at(1));
      const before = await readOutcome(store, session.jobId);
      for (const { act } of [...beginning, ...Object.values(launches), ...rest]) {
        await act(store, session).catch(() => undefined);
        expect({ act, ...(await readOutcome(store, session.jobId)) }).toEqual({ act, ...before });
      }
    });
  });
}

/** Without what tells two sessions apart that are alike. */
function toOther(records: Awaited<ReturnType<typeof readRecords>>): unknown {
  return JSON.parse(JSON.stringify(records).replaceAll(/"(cfs-)?[ab](-0123abcd)?"/g, '""'));
}

/** All that is stored of a session. */
async function readRecords(store: Store, jobId: string) {
  const logs = ['inventory', PHASE].map((phase) => readAll(store.logs.read(jobId, phase, 0)));
  return {
    session: await store.sessions.get(jobId),
    phases: await store.phases.list(jobId),
    hosts: await store.hosts.list(jobId, { limit: 9 }),
    changes: await store.hosts.changes(jobId, PHASE, { sequence: -1 }, 9),
    summary: await store.hosts.summarize(jobId, PHASE),
    total: await store.hosts.total(jobId),
    failed: await store.hosts.listFailed(jobId, 9),
    logs: await Promise.allSettled(logs),
    gap: await store.logs.findGap(jobId, PHASE),
    files: await store.stagedFiles.read(jobId),
    resources: await store.resources.list(jobId),
  };
}

/** What people see of how a session ended. Not what undoing needs: that may still be noted, and a stop, too. */
async function readOutcome(store: Store, jobId: string) {
  const { session, phases: ended, hosts, logs } = await readRecords(store, jobId);
  const undoing = { stoppedAt: undefined, snapshot: undefined, artifacts: undefined };
  return { outcome: { ...session, ...undoing }, ended, hosts, logs };
}
