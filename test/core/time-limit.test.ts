import { setTimeout as delay } from 'node:timers/promises';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { describe, expect, test } from '@jest/globals';
import { limitTime } from '../../src/core/time-limit.js';
import { waitFor } from '../support/wait.js';

setFlagsFromString('--expose-gc');
const collectGarbage = runInNewContext('gc') as () => void;

const never = new AbortController().signal;

describe('limitTime', () => {
  test('aborts at the end of the time, although nobody listens and garbage is collected meanwhile', async () => {
    const signal = limitTime(50, never);

    await waitFor(
      () => {
        collectGarbage();
        return signal.aborted;
      },
      // One collection may take seconds here.
      { timeoutMs: 20_000, intervalMs: 5, what: 'the time to be over' },
    );

    expect(signal.reason).toMatchObject({ name: 'TimeoutError' });
  });

  test('aborts with each of the signals, for its reason', async () => {
    const [first, second] = [new AbortController(), new AbortController()];
    const signal = limitTime(60_000, first.signal, second.signal);
    expect(signal.aborted).toBe(false);

    second.abort('over');
    await delay(0);

    expect(signal.reason).toBe('over');
  });
});
