import { setTimeout as pause } from 'node:timers/promises';
import { Context } from '@temporalio/activity';
import type { WorkflowHandle } from '@temporalio/client';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import type { DiscardInput, InventoryInput } from '../../src/activities/interface.js';
import { ServiceError, setBack } from '../../src/core/errors.js';
import type { Activities } from '../../src/activities/index.js';
import {
  admittedSignal,
  cancelSignal,
  jobLostSignal,
  statusQuery,
} from '../../src/workflows/messages.js';
import { saveHistory } from '../support/histories.js';
import {
  aSession,
  beating,
  exited,
  noHosts,
  runSession,
  type SessionScript,
} from '../support/session-worker.js';
import { openTemporal, type TestTemporal } from '../support/temporal.js';
import { waitFor } from '../support/wait.js';

let temporal: TestTemporal;
beforeAll(async () => {
  temporal = await openTemporal();
});
afterAll(() => temporal.close());

const stopped = { result: { kind: 'killed', reason: 'stopped' } as const, hosts: noHosts };
const STEPS = ['claimSession', 'resolveConfiguration', 'stageInventory', 'launchJob'];
const UNDO = ['stopJob', 'removeStagedFiles', 'recordOutcome'];

/** A session whose first phase runs until the job is stopped. */
const aRunningSession = () =>
  aSession((session) => ({
    gitClone: session.log('gitClone', () => beating(session.whenStopped.then(() => stopped))),
  }));

const until = (session: SessionScript, call: string) =>
  waitFor(() => session.calls.includes(call), { what: call });

/** Whether the workflow has acted on the result of an activity: it has then begun whatever comes next. */
async function hasTakenResult(handle: WorkflowHandle): Promise<boolean> {
  const { events } = await handle.fetchHistory();
  const last = (name: 'activityTaskCompleted' | 'workflowTaskCompleted') =>
    events?.findLastIndex((event) => event[`${name}EventAttributes`] != null) ?? -1;
  return (
    last('activityTaskCompleted') >= 0 &&
    last('workflowTaskCompleted') > last('activityTaskCompleted')
  );
}

describe('SessionWorkflow', () => {
  test('walks through steps and phases, undoes, records, and completes', async () => {
    const session = aSession();
    const { result, handle, status } = await runSession(temporal, session);
    expect(result).toEqual({ outcome: 'succeeded' });
    expect(status).toBe('COMPLETED');
    expect(session.calls).toEqual([...STEPS, 'gitClone', 'inventory', 'ansible', ...UNDO]);
    await saveHistory(handle, 'success');
  });

  test('ends at the first phase that fails, with the reason as failure type', async () => {
    const session = aSession((script) => ({
      gitClone: script.log('gitClone', () => {
        script.outcome = { succeeded: 'false', reason: 'GIT_CLONE', message: 'unreachable' };
        return { result: exited(70), hosts: noHosts };
      }),
    }));
    const { error, handle, status } = await runSession(temporal, session);
    expect(status).toBe('FAILED');
    expect(error).toMatchObject({ cause: { type: 'GIT_CLONE', message: 'unreachable' } });
    expect(session.calls).toEqual([...STEPS, 'gitClone', ...UNDO]);
    await saveHistory(handle, 'failed-phase');
  });

  test('ends with the stored outcome if the record is complete', async () => {
    const session = aSession(() => ({
      claimSession: () =>
        Promise.resolve({
          kind: 'complete' as const,
          outcome: { succeeded: 'false', reason: 'CANCELLED' },
        }),
    }));
    const { result, handle } = await runSession(temporal, session);
    expect(result).toEqual({ outcome: 'cancelled', reason: 'CANCELLED' });
    expect(session.calls).toEqual([]);
    await saveHistory(handle, 'refused-claim');
  });

  test('attaches to a job that an earlier run launched', async () => {
    const session = aSession((script) => ({
      claimSession: script.log('claimSession', () => ({
        kind: 'attach' as const,
        launched: true,
        sessionName: 'a',
        configurationName: 'c',
      })),
    }));
    const { result, handle } = await runSession(temporal, session);
    expect(result).toEqual({ outcome: 'succeeded' });
    // `launchJob` releases what was recorded, and launches nothing else.
    expect(session.calls).toEqual([
      ...['claimSession', 'resolveConfiguration', 'launchJob', 'gitClone', 'inventory', 'ansible'],
      ...UNDO,
    ]);
    await saveHistory(handle, 'attached');
  });

  test('stops a launched job whose record was cancelled', async () => {
    const session = aSession((script) => ({
      claimSession: script.log('claimSession', () => {
        script.outcome = { succeeded: 'false', reason: 'CANCELLED' };
        return { kind: 'stop' as const, launched: true, sessionName: 'a', configurationName: 'c' };
      }),
      gitClone: script.log('gitClone', () => beating(script.whenStopped.then(() => stopped))),
    }));
    const { result, handle } = await runSession(temporal, session);
    expect(result).toMatchObject({ outcome: 'cancelled' });
    await saveHistory(handle, 'claimed-to-stop');
  });

  test('ends a step before the launch when a signal cancels it, and launches nothing', async () => {
    const session = aSession((script) => ({
      stageInventory: script.log('stageInventory', () => beating(untilAborted())),
    }));
    const { result, handle, status } = await runSession(temporal, session, async (running) => {
      await until(session, 'stageInventory');
      // A payload that was written by hand may have other members too.
      const byHand = { reason: 'enough', by: 'ann', jobId: 'cfs-another' };
      await running.signal(cancelSignal, byHand);
    });
    expect(result).toMatchObject({ outcome: 'cancelled' });
    expect(status).toBe('COMPLETED');
    expect(session.cancels).toEqual([{ reason: 'enough', by: 'ann', jobId: handle.workflowId }]);
    expect(session.calls).not.toContain('launchJob');
    expect(session.calls.slice(-2)).toEqual(['removeStagedFiles', 'recordOutcome']);
    await saveHistory(handle, 'signal-before-launch');
  });

  test('is Canceled by a native cancel before the launch, with everything undone', async () => {
    const session = aSession((script) => ({
      stageInventory: script.log('stageInventory', () => beating(untilAborted())),
    }));
    const { handle, status } = await runSession(temporal, session, async (running) => {
      await until(session, 'stageInventory');
      await running.cancel();
    });
    expect(status).toBe('CANCELLED');
    expect(session.calls).not.toContain('launchJob');
    expect(session.calls.slice(-2)).toEqual(['removeStagedFiles', 'recordOutcome']);
    await saveHistory(handle, 'native-before-launch');
  });

  test.each([
    ['signal', 'COMPLETED'],
    ['native', 'CANCELLED'],
  ])('stops the job on a %s cancel, and lets the phase come to its end', async (kind, expected) => {
    const session = aRunningSession();
    const { handle, status } = await runSession(temporal, session, async (running) => {
      await until(session, 'gitClone');
      await (kind === 'native'
        ? running.cancel()
        : running.signal(cancelSignal, { reason: 'enough' }));
    });
    expect(status).toBe(expected);
    expect(session.calls.indexOf('noteCancel')).toBeLessThan(session.calls.indexOf('stopJob'));
    // So that the record gets it again, if the database was set back since it was noted.
    expect(session.outcomes).toMatchObject([
      { cancel: kind === 'native' ? {} : { reason: 'enough' } },
    ]);
    expect(session.calls.at(-1)).toBe('recordOutcome');
    await saveHistory(handle, `${kind}-after-launch`);
  });

  test.each(['signal', 'native'])(
    'stops a job that it does not know, because it was reset to before the launch, on a %s cancel',
    async (kind) => {
      const session = aSession((script) => ({
        stageInventory: script.log('stageInventory', () => beating(untilAborted())),
        gitClone: script.log('gitClone', () => beating(script.whenStopped.then(() => stopped))),
      }));
      session.launched = true;
      await runSession(temporal, session, async (running) => {
        await until(session, 'stageInventory');
        await (kind === 'native' ? running.cancel() : running.signal(cancelSignal, {}));
      });
      expect(session.calls).not.toContain('launchJob');
      expect(session.calls.filter((call) => call === 'gitClone')).toHaveLength(1);
      expect(session.calls.indexOf('stopJob')).toBeGreaterThan(session.calls.indexOf('noteCancel'));
      expect(session.calls.slice(-3)).toEqual(UNDO);
    },
  );

  test('succeeds when every phase had ended well before the cancel took effect', async () => {
    const session = aSession((script) => ({
      ansible: script.log('ansible', () =>
        beating(script.whenStopped.then(() => ({ result: exited(0), hosts: noHosts }))),
      ),
      noteCancel: script.log('noteCancel', () => ({ launched: true })),
    }));
    const { result } = await runSession(temporal, session, async (running) => {
      await until(session, 'ansible');
      await running.signal(cancelSignal, {});
    });
    expect(result).toEqual({ outcome: 'succeeded' });
  });

  test('names what it could not undo, and goes on undoing', async () => {
    const session = aSession((script) => ({
      stopJob: script.log('stopJob', () => {
        throw new ServiceError('rejected', 'the machine says no');
      }),
    }));
    const { handle } = await runSession(temporal, session);
    expect(session.outcomes).toMatchObject([{ leftovers: ['job (the machine says no)'] }]);
    expect(session.calls).toContain('removeStagedFiles');
    await saveHistory(handle, 'failing-undo');
  });

  describe('whose database was set back', () => {
    const lost = () => {
      throw setBack('cfs-a-0123abcd', 'the inventory');
    };

    test('begins again once a step tells so, without undoing anything', async () => {
      const session = aSession((script) => ({
        launchJob: script.log('launchJob', () =>
          script.calls.filter((call) => call === 'launchJob').length === 1
            ? lost()
            : { launched: true },
        ),
      }));
      const { result, handle } = await runSession(temporal, session);
      expect(result).toEqual({ outcome: 'succeeded' });
      expect(session.calls).toEqual([
        ...[...STEPS, ...STEPS],
        ...['gitClone', 'inventory', 'ansible', ...UNDO],
      ]);
      const { workflowId, firstExecutionRunId: first } = handle;
      await saveHistory(temporal.client.workflow.getHandle(workflowId, first), 'set-back');
    });

    test('watches the job again if the record has lost how it ended, and only then', async () => {
      const session = aSession((script) => {
        const { claimSession, recordOutcome } = script.activities;
        return {
          claimSession: async (input) => ({
            ...(await claimSession(input)),
            ...(script.outcomes.length > 0 ? { kind: 'stop' as const, launched: true } : {}),
          }),
          recordOutcome: async (input) => {
            const outcome = await recordOutcome(input);
            return script.outcomes.length === 1 ? lost() : outcome;
          },
        } as Partial<Activities>;
      });
      const { result } = await runSession(temporal, session);
      expect(result).toEqual({ outcome: 'succeeded' });
      expect(session.calls.filter((call) => call === 'launchJob')).toHaveLength(1);
      expect(session.calls.filter((call) => call === 'ansible')).toHaveLength(2);
      expect(session.outcomes.map(({ mayBeginAgain }) => mayBeginAgain)).toEqual([true, undefined]);
    });

    test.each(['signal', 'native'] as const)(
      'keeps a cancel by %s that comes just before it begins again',
      async (kind) => {
        const isNoting = Promise.withResolvers<undefined>();
        const session = aSession((script) => {
          const { claimSession, noteCancel, recordOutcome } = script.activities;
          return {
            claimSession: async (input) => ({
              ...(await claimSession(input)),
              ...(script.cancels.length > 0 ? { kind: 'stop' as const, launched: true } : {}),
            }),
            noteCancel: async (input) => {
              isNoting.resolve(undefined);
              if (Context.current().info.attempt === 1) throw new ServiceError('unavailable', 'no');
              return noteCancel(input);
            },
            recordOutcome: async (input) => {
              const outcome = await recordOutcome(input);
              if (script.outcomes.length > 1) return outcome;
              await beating(isNoting.promise);
              return lost();
            },
          } as Partial<Activities>;
        });
        const { result } = await runSession(temporal, session, async (running) => {
          await until(session, 'recordOutcome');
          await (kind === 'native' ? running.cancel() : running.signal(cancelSignal, {}));
        });
        expect(result).toMatchObject({ outcome: 'cancelled' });
        expect(session.calls.filter((call) => call === 'launchJob')).toHaveLength(1);
      },
    );

    test('fails with what is lost if it is lost again', async () => {
      const session = aSession((script) => ({ launchJob: script.log('launchJob', lost) }));
      const { error } = await runSession(temporal, session);
      const message = expect.stringContaining('has lost the inventory') as unknown;
      expect(error).toMatchObject({ cause: { type: 'INTERNAL', message } });
      expect(session.calls).toEqual([...STEPS, ...STEPS, ...UNDO]);
    });
  });

  test('records a lost job as such', async () => {
    const session = aSession((script) => ({
      inventory: script.log('inventory', () => {
        script.outcome = { succeeded: 'unknown', reason: 'JOB_LOST', message: 'The job vanished.' };
        return { result: { kind: 'killed' as const, reason: 'lost' as const }, hosts: noHosts };
      }),
    }));
    const { error, handle } = await runSession(temporal, session);
    expect(error).toMatchObject({ cause: { type: 'JOB_LOST' } });
    await saveHistory(handle, 'lost-job');
  });

  describe('of images', () => {
    const claim = (script: SessionScript, more: object = {}) => ({
      claimSession: script.log('claimSession', () => ({
        ...{ kind: 'go' as const, launched: false, sessionName: 'a', configurationName: 'c' },
        ...{ customizesImages: true as const, ...more },
      })),
      resolveConfiguration: script.log('resolveConfiguration', () => ({
        phases: [
          { name: 'inventory', kind: 'inventory' as const, title: 'inventory: image' },
          { name: 'ansible-0', kind: 'ansible' as const, title: 'ansible-0: site.yml' },
          { name: 'teardown', kind: 'teardown' as const, title: 'teardown: image' },
        ],
      })),
    });
    const UNDO_IMAGES = ['discardImages', 'removeImageKey', 'removeStagedFiles', 'recordOutcome'];

    test('opens them, waits for each, has them packaged, and undoes in reverse order', async () => {
      const discards: DiscardInput[] = [];
      const session = aSession((script) => ({
        ...claim(script),
        discardImages: script.log('discardImages', (input: DiscardInput) => {
          discards.push(input);
        }),
      }));
      const { result, handle } = await runSession(temporal, session);
      expect(result).toEqual({ outcome: 'succeeded' });
      expect(session.calls).toEqual([
        ...['claimSession', 'resolveConfiguration', 'stageImages', 'awaitImage', 'awaitImage'],
        ...['stageInventory', 'launchJob', 'inventory', 'ansible', 'teardown'],
        ...['stopJob', ...UNDO_IMAGES],
      ]);
      expect(discards).toMatchObject([{ hasTeardownEnded: true }]);
      await saveHistory(handle, 'images');
    });

    test('wait for ten at a time', async () => {
      const begun = Promise.withResolvers<undefined>();
      const imageIds = Array.from({ length: 12 }, (_, index) => `i${index}`);
      const session = aSession((script) => ({
        ...claim(script),
        stageImages: () => Promise.resolve({ staged: true, imageIds }),
        awaitImage: async () => {
          script.calls.push('awaitImage');
          if (script.calls.filter((call) => call === 'awaitImage').length === 10)
            begun.resolve(undefined);
          await begun.promise;
          // Gives an eleventh time to begin.
          await pause(300);
          script.calls.push('answers');
        },
      }));
      expect(await runSession(temporal, session)).toMatchObject({
        result: { outcome: 'succeeded' },
      });
      const waits = session.calls.filter((call) => ['awaitImage', 'answers'].includes(call));
      const firstTen = [
        ...Array<string>(10).fill('awaitImage'),
        ...Array<string>(10).fill('answers'),
      ];
      expect(waits.slice(0, 20)).toEqual(firstTen);
      expect(waits).toHaveLength(24);
    });

    test('end without packaging if a layer fails', async () => {
      const session = aSession((script) => ({
        ...claim(script),
        ansible: script.log('ansible', () => {
          script.outcome = { succeeded: 'false', reason: 'TASK_FAILED', message: 'no' };
          return { result: exited(2), hosts: noHosts };
        }),
      }));
      const { error, handle } = await runSession(temporal, session);
      expect(error).toMatchObject({ cause: { type: 'TASK_FAILED' } });
      expect(session.calls).not.toContain('teardown');
      expect(session.calls.slice(-5)).toEqual(['stopJob', ...UNDO_IMAGES]);
      await saveHistory(handle, 'images-failed');
    });

    test('end the other waits before anything is undone if one image fails', async () => {
      const session = aSession((script) => ({
        ...claim(script),
        awaitImage: async ({ imageId }) => {
          script.calls.push('awaitImage');
          if (imageId === 'i')
            throw new ServiceError('rejected', 'no image', { reason: 'IMAGE_PREPARE' });
          await beating(Context.current().cancelled).finally(() => script.calls.push('ended'));
        },
      }));
      const { handle } = await runSession(temporal, session);
      expect(session.outcomes).toMatchObject([{ failure: { reason: 'IMAGE_PREPARE' } }]);
      expect(session.calls.slice(-5)).toEqual(['ended', ...UNDO_IMAGES]);
      await saveHistory(handle, 'images-not-there');
    });

    test('end while an image is waited for, if they are cancelled', async () => {
      const session = aSession((script) => ({
        ...claim(script),
        awaitImage: async () => {
          script.calls.push('awaitImage');
          await beating(Context.current().cancelled).finally(() => script.calls.push('ended'));
        },
      }));
      const { result, handle } = await runSession(temporal, session, async (running) => {
        await until(session, 'awaitImage');
        await running.signal(cancelSignal, {});
      });
      expect(result).toMatchObject({ outcome: 'cancelled' });
      expect(session.calls.slice(-5)).toEqual(['ended', ...UNDO_IMAGES]);
      await saveHistory(handle, 'images-cancelled');
    });

    test('undo what an earlier run left, if they are no longer wanted', async () => {
      const session = aSession((script) => claim(script, { kind: 'stop' }));
      await runSession(temporal, session);
      expect(session.calls).toEqual(['claimSession', ...UNDO_IMAGES]);
    });
  });

  test('waits for its place without a slot, and goes on when it is told', async () => {
    const session = aSession((script) => ({
      claimSession: script.log('claimSession', () => ({
        ...{ kind: 'go' as const, launched: false, sessionName: 'a', configurationName: 'c' },
        queue: { place: 2, limit: 1 },
      })),
    }));
    const { result, handle } = await runSession(temporal, session, async (running) => {
      await waitFor(() => hasTakenResult(running), { what: 'the workflow to act on the claim' });
      const { pendingActivities } = (await running.describe()).raw;
      expect(pendingActivities ?? []).toEqual([]);
      expect(session.calls).toEqual(['claimSession']);
      await running.signal(admittedSignal);
    });
    expect(result).toEqual({ outcome: 'succeeded' });
    expect(session.calls).toEqual([...STEPS, 'gitClone', 'inventory', 'ansible', ...UNDO]);
    await saveHistory(handle, 'queued');
  });

  test('ends while it waits for its place, if it is cancelled', async () => {
    const session = aSession((script) => ({
      claimSession: script.log('claimSession', () => ({
        ...{ kind: 'go' as const, launched: false, sessionName: 'a', configurationName: 'c' },
        queue: { place: 2, limit: 1 },
      })),
    }));
    const { handle, result } = await runSession(temporal, session, async (running) => {
      await until(session, 'claimSession');
      await running.signal(cancelSignal, {});
    });
    expect(result).toMatchObject({ outcome: 'cancelled' });
    expect(session.calls).not.toContain('resolveConfiguration');
    await saveHistory(handle, 'cancelled-in-queue');
  });

  describe('whose hosts another session has', () => {
    const since = '2026-01-01T00:00:00.000Z';
    const STAGED = STEPS.indexOf('stageInventory');

    /** Waits for hosts twice; they are free from the third call on. */
    const aSessionBehind = (inputs: InventoryInput[]) =>
      aSession((script) => ({
        stageInventory: script.log('stageInventory', (input: InventoryInput) => {
          inputs.push(input);
          return inputs.length < 3 ? { since, message: 'Waiting: session b' } : undefined;
        }),
      }));

    test('waits without a slot, and asks again whenever it is told to go on', async () => {
      const inputs: InventoryInput[] = [];
      const session = aSessionBehind(inputs);
      const { result, handle } = await runSession(temporal, session, async (running) => {
        for (const count of [1, 2]) {
          await waitFor(() => inputs.length === count, { what: 'the hosts to be asked for' });
          await waitFor(async () => {
            const { pendingActivities } = (await running.describe()).raw;
            return (pendingActivities ?? []).length === 0;
          });
          expect(session.calls).not.toContain('launchJob');
          await running.signal(admittedSignal);
        }
      });
      expect(result).toEqual({ outcome: 'succeeded' });
      expect(inputs.map(({ waitingSince }) => waitingSince)).toEqual([undefined, since, since]);
      expect(session.calls.filter((call) => call !== 'stageInventory')).toEqual([
        ...STEPS.toSpliced(STAGED, 1),
        ...['gitClone', 'inventory', 'ansible'],
        ...UNDO,
      ]);
      await saveHistory(handle, 'behind');
    });

    test('ends while it waits, if it is cancelled', async () => {
      const session = aSessionBehind([]);
      const { result, handle } = await runSession(temporal, session, async (running) => {
        await until(session, 'stageInventory');
        await running.signal(cancelSignal, {});
      });
      expect(result).toMatchObject({ outcome: 'cancelled' });
      expect(session.calls).not.toContain('launchJob');
      await saveHistory(handle, 'cancelled-behind');
    });
  });

  test('ends if its machine is lost, without stopping the job', async () => {
    const session = aSession((script) => ({
      gitClone: script.log('gitClone', () => beating(Context.current().cancelled)),
    }));
    const { error, handle, status } = await runSession(temporal, session, async (running) => {
      await until(session, 'gitClone');
      await running.signal(jobLostSignal, 'Machine m was last seen at noon.');
      await running.signal(jobLostSignal, 'Machine m was last seen at noon.');
    });
    expect(status).toBe('FAILED');
    expect(error).toMatchObject({ cause: { type: 'JOB_LOST' } });
    expect(session.outcomes[0]).toMatchObject({
      failure: { reason: 'JOB_LOST', message: expect.stringContaining('last seen at noon') },
      leftovers: [],
    });
    expect(session.calls).toEqual([...STEPS, 'gitClone', 'removeStagedFiles', 'recordOutcome']);
    await saveHistory(handle, 'lost-machine');
  });

  test('ends as its phases did if the machine is lost while the job is being stopped', async () => {
    const session = aSession((script) => ({
      stopJob: script.log('stopJob', () => beating(Context.current().cancelled)),
    }));
    const { result, handle } = await runSession(temporal, session, async (running) => {
      await until(session, 'stopJob');
      await running.signal(jobLostSignal, 'Machine m was last seen at noon.');
    });
    expect(result).toEqual({ outcome: 'succeeded' });
    expect(session.outcomes[0]).toMatchObject({ leftovers: [] });
    expect(session.calls.slice(-3)).toEqual(['stopJob', 'removeStagedFiles', 'recordOutcome']);
    await saveHistory(handle, 'lost-machine-in-undo');
  });

  test('fails with the reason of the step that failed, and stages nothing after it', async () => {
    const session = aSession((script) => ({
      resolveConfiguration: script.log('resolveConfiguration', () => {
        throw new ServiceError('invalid', 'no branch main', { reason: 'GIT_REF' });
      }),
    }));
    const { error, handle } = await runSession(temporal, session);
    expect(error).toMatchObject({ cause: { type: 'GIT_REF', message: 'no branch main' } });
    expect(session.calls).toEqual([
      'claimSession',
      'resolveConfiguration',
      'removeStagedFiles',
      'recordOutcome',
    ]);
    await saveHistory(handle, 'failed-step');
  });

  test('shows its phases to a query', async () => {
    const session = aRunningSession();
    await runSession(temporal, session, async (running) => {
      await until(session, 'gitClone');
      const { progress } = await running.query(statusQuery);
      expect(progress.map(({ name }) => name)).toEqual(['git-clone-0', 'inventory', 'ansible-0']);
      await running.signal(cancelSignal, {});
    });
  });
});

function untilAborted(): Promise<never> {
  const { cancelled } = Context.current();
  return cancelled;
}
