import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { createDispatcher, type Dispatcher } from '../../src/api/dispatch.js';
import type { Orchestrator } from '../../src/clients/interfaces.js';
import { ServiceError } from '../../src/core/errors.js';
import { waitFor } from '../support/wait.js';
import { openService, type TestService } from './service.js';

/** An orchestrator that records its calls and can be unavailable. */
interface MemoryOrchestrator extends Pick<
  Orchestrator,
  'startSession' | 'cancelSession' | 'admitSession'
> {
  readonly told: string[];
  readonly summaries: string[];
  most: number;
  tries: number;
  failure: Error | undefined;
}

function createMemoryOrchestrator(): MemoryOrchestrator {
  let running = 0;
  const orchestrator: MemoryOrchestrator = {
    told: [],
    summaries: [],
    most: 0,
    tries: 0,
    failure: undefined,
    startSession: ({ sessionName, summary }) =>
      take(() => {
        orchestrator.told.push(`start ${sessionName}`);
        orchestrator.summaries.push(summary);
      }),
    cancelSession: (_jobId, { by, reason }) =>
      take(() => orchestrator.told.push(`cancel by ${by ?? '-'}: ${reason ?? '-'}`)),
    admitSession: (jobId) => take(() => orchestrator.told.push(`admit ${jobId}`)),
  };
  const take = async (note: () => void) => {
    orchestrator.tries += 1;
    orchestrator.most = Math.max(orchestrator.most, ++running);
    await new Promise((resolve) => setImmediate(resolve));
    running -= 1;
    if (orchestrator.failure !== undefined) throw orchestrator.failure;
    note();
  };
  return orchestrator;
}

const unavailable = new ServiceError('unavailable', 'Temporal does not answer.');

let service: TestService;
let orchestrator: MemoryOrchestrator;
let dispatcher: Dispatcher;
beforeEach(async () => {
  service = await openService();
  orchestrator = createMemoryOrchestrator();
  dispatcher = createDispatcher({ ...service.deps, orchestrator });
});
afterEach(async () => {
  await dispatcher.close();
  await service.close();
});

const post = (name: string) =>
  service.ask('POST', '/v3/sessions', { name, configuration_name: 'debug_noop' });

const isDispatched = async (name: string, state: string) =>
  (await service.store.sessions.find(name))?.dispatched === state;

describe('createDispatcher', () => {
  test('starts sessions that were recorded before and after it started, once each', async () => {
    await post('before');
    dispatcher.start();
    await waitFor(() => isDispatched('before', 'started'));
    await post('after');
    await waitFor(() => isDispatched('after', 'started'));
    expect(orchestrator.told).toEqual(['start before', 'start after']);
    expect(orchestrator.summaries[0]).toBe('before: debug_noop → dynamic');
  });

  test('sends a cancel, with caller and reason', async () => {
    dispatcher.start();
    await post('wanted');
    await waitFor(() => isDispatched('wanted', 'started'));
    const { jobId } = (await service.store.sessions.find('wanted')) ?? { jobId: '' };
    await service.store.sessions.claim(jobId, { at: new Date().toISOString() });
    await service.ask('POST', '/v3/sessions/wanted/cancel', { reason: 'enough' });
    await waitFor(() => isDispatched('wanted', 'cancelled'));
    expect(orchestrator.told).toEqual(['start wanted', 'cancel by api: enough']);
  });

  test('does not start a session that was cancelled before it was claimed', async () => {
    await post('unwanted');
    await service.ask('POST', '/v3/sessions/unwanted/cancel');
    await post('wanted');
    dispatcher.start();
    await waitFor(() => isDispatched('wanted', 'started'));
    expect(orchestrator.told).toEqual(['start wanted']);
  });

  test('starts before it cancels if the answer to the start was lost', async () => {
    await post('half');
    const { jobId } = (await service.store.sessions.find('half')) ?? { jobId: '' };
    await service.store.sessions.claim(jobId, { at: new Date().toISOString() });
    await service.ask('DELETE', '/v3/sessions/half');
    dispatcher.start();
    await waitFor(async () => (await service.store.sessions.countWishes()) === 0);
    expect(orchestrator.told).toEqual(['start half', 'cancel by api: -']);
  });

  test('keeps wishes while Temporal is away, tries less and less often, and continues by itself', async () => {
    orchestrator.failure = unavailable;
    dispatcher.start();
    await Promise.all(['a', 'b', 'c'].map(post));
    await waitFor(() => dispatcher.health().isFailing);
    await waitFor(() => orchestrator.tries >= 6);
    expect(await service.store.sessions.countWishes()).toBe(3);
    orchestrator.failure = undefined;
    await waitFor(async () => (await service.store.sessions.countWishes()) === 0);
    expect(orchestrator.told.sort()).toEqual(['start a', 'start b', 'start c']);
    expect(dispatcher.health().isFailing).toBe(false);
    expect(service.lines.map(({ message }) => message)).toEqual(
      expect.arrayContaining([
        'wish could not be dispatched, trying again',
        'wishes are dispatched again',
      ]),
    );
  });

  test('dispatches the others if one session is refused', async () => {
    const { startSession } = orchestrator;
    const refusing: typeof orchestrator = {
      ...orchestrator,
      startSession: (start) =>
        start.sessionName === 'poor'
          ? Promise.reject(new TypeError('a defect'))
          : startSession(start),
    };
    await post('poor');
    dispatcher = createDispatcher({ ...service.deps, orchestrator: refusing });
    dispatcher.start();
    const isRefused = () =>
      service.lines.filter(({ message }) => message === 'wish was refused, trying again').length;
    await waitFor(isRefused);
    await post('rich');
    await waitFor(() => isDispatched('rich', 'started'));
    expect(dispatcher.health().isFailing).toBe(false);
    refusing.startSession = startSession;
    service.setTime(new Date(Date.now() + 11_000).toISOString());
    await post('wakes');
    await waitFor(() => isDispatched('poor', 'started'));
  });

  test('continues after the database was away', async () => {
    const { sessions } = service.store;
    let isBroken = true;
    const takeWishes: typeof sessions.takeWishes = (take) =>
      isBroken ? Promise.reject(unavailable) : sessions.takeWishes(take);
    const store = { ...service.store, sessions: { ...sessions, takeWishes } };
    dispatcher = createDispatcher({ ...service.deps, store, orchestrator });
    dispatcher.start();
    await post('patient');
    await waitFor(() => dispatcher.health().isFailing);
    isBroken = false;
    await waitFor(() => isDispatched('patient', 'started'));
  });

  test('has at most ten calls in flight, and two dispatchers share the work', async () => {
    const names = Array.from({ length: 40 }, (_, index) => `s${index}`);
    for (const name of names) await post(name);
    const other = createDispatcher({ ...service.deps, orchestrator });
    dispatcher.start();
    other.start();
    await waitFor(async () => (await service.store.sessions.countWishes()) === 0);
    await other.close();
    expect(orchestrator.told.sort()).toEqual(names.map((name) => `start ${name}`).sort());
    expect(orchestrator.most).toBeLessThanOrEqual(20);
  });

  test('tells a waiting session once that it has a place', async () => {
    const { store } = service.deps;
    await store.options.patch({ maxRunningSessions: 1 });
    dispatcher.start();
    const claimed = [];
    for (const name of ['first', 'second']) {
      await post(name);
      await waitFor(() => isDispatched(name, 'started'));
      const jobId = (await store.sessions.find(name))?.jobId ?? '';
      claimed.push(await store.sessions.claim(jobId, { at: new Date().toISOString() }));
    }
    const [first, second] = claimed.map(({ jobId }) => jobId);
    await store.sessions.recordOutcome(
      first ?? '',
      { succeeded: 'true' },
      '2026-01-01T00:00:00.000Z',
    );
    await waitFor(() => orchestrator.told.includes(`admit ${second}`));
    await waitFor(async () => (await store.sessions.countWishes()) === 0);
    expect(orchestrator.told.filter((word) => word.startsWith('admit'))).toHaveLength(1);
  });

  test('close waits for calls in flight', async () => {
    let release: () => void = () => undefined;
    const held = new Promise<void>((resolve) => (release = resolve));
    let isAsked = false;
    const slow = createDispatcher({
      ...service.deps,
      orchestrator: {
        ...orchestrator,
        startSession: () => {
          isAsked = true;
          return held;
        },
      },
    });
    slow.start();
    await post('slow');
    await waitFor(() => isAsked);
    let isClosed = false;
    const closing = slow.close().then(() => (isClosed = true));
    await post('late');
    expect(isClosed).toBe(false);
    release();
    await closing;
    expect(await isDispatched('slow', 'started')).toBe(true);
    expect(await isDispatched('late', 'none')).toBe(true);
  });
});
