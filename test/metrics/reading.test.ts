import { describe, expect, test } from '@jest/globals';
import { createReading } from '../../src/metrics/reading.js';

const ignore = () => undefined;

describe('createReading', () => {
  test('serves simultaneous calls with one reading, and keeps it while it is recent', async () => {
    let reads = 0;
    const reading = createReading(() => Promise.resolve((reads += 1)), 3_600_000, ignore);
    expect(await Promise.all([reading.latest(), reading.latest()])).toEqual([1, 1]);
    expect(await reading.latest()).toBe(1);
  });

  test('is renewed when it is old, and after a failure', async () => {
    const answers = [() => 1, fail, () => 2];
    const errors: unknown[] = [];
    const reading = createReading(
      async () => Promise.resolve(answers.shift()?.()),
      0,
      (error) => errors.push(error),
    );
    expect(await reading.latest()).toBe(1);
    expect(await reading.latest()).toBeUndefined();
    expect(await reading.latest()).toBe(2);
    expect(errors).toEqual([new Error('away')]);
  });

  test('does not wait for a source that does not answer', async () => {
    const reading = createReading(() => new Promise<number>(ignore), 0, ignore);
    expect(await reading.latest()).toBeUndefined();
  });
});

function fail(): never {
  throw new Error('away');
}
