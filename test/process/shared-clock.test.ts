import { setImmediate } from 'node:timers/promises';
import { afterEach, describe, expect, test } from '@jest/globals';
import { followClock, type SharedClock } from '../../src/process/shared-clock.js';
import { waitFor } from '../support/wait.js';

const HOUR_MS = 3_600_000;
const at = (milliseconds: number) => new Date(Date.now() + milliseconds).toISOString();

let clock: SharedClock;
afterEach(() => clock.close());

const aheadMs = () => Date.parse(clock.now()) - Date.now();

describe('followClock', () => {
  test('follows a clock that is hours off, also while that does not answer', async () => {
    const answers = [() => at(2 * HOUR_MS), () => at(-3 * HOUR_MS)];
    let asked = 0;
    clock = await followClock(() => {
      asked += 1;
      const answer = answers.shift();
      return answer === undefined ? Promise.reject(new Error('away')) : Promise.resolve(answer());
    }, 5);
    expect(aheadMs()).toBeGreaterThan(HOUR_MS);
    await waitFor(() => asked > 3, { what: 'further questions' });
    expect(aheadMs()).toBeLessThan(-2 * HOUR_MS);
  });

  test('does not jump for the small differences of synchronized clocks', async () => {
    clock = await followClock(() => Promise.resolve(at(400)));
    const before = new Date().toISOString();
    const times = [before, clock.now(), new Date().toISOString()];
    expect(times).toEqual([...times].sort());
  });

  test('does not jump when the clock of the machine is set, and asks at once', async () => {
    const readLocal = Date.now.bind(Date);
    const start = readLocal();
    let asked = 0;
    clock = await followClock(() => {
      asked += 1;
      return Promise.resolve(new Date(readLocal()).toISOString());
    });
    try {
      for (const setMs of [24 * HOUR_MS, -HOUR_MS]) {
        Date.now = () => readLocal() + setMs;
        const before = asked;
        const shown = Date.parse(clock.now());
        expect(Math.abs(shown - start)).toBeLessThan(HOUR_MS / 2);
        expect(asked).toBe(before + 1);
        await setImmediate();
        expect(Math.abs(Date.parse(clock.now()) - start)).toBeLessThan(HOUR_MS / 2);
      }
    } finally {
      Date.now = readLocal;
    }
  });
});
