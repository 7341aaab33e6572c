import { describe, expect, test } from '@jest/globals';
import { decideJobFate, type HeldJob, type JobFate } from '../../src/core/job-fate.js';
import { at } from '../support/store-builders.js';

type Known = Parameters<typeof decideJobFate>[1];
const times = { expiry: at(100), abandon: at(200) };
const incarnation = 'i';
const prepared: HeldJob = { state: 'prepared', incarnation };
const running: HeldJob = { state: 'running', incarnation };
const ended = (seconds: number): HeldJob => ({
  ...{ state: 'ended', incarnation },
  endedAt: at(seconds),
});
const over = (seconds: number): Known => ({ state: 'complete', completedAt: at(seconds) });
const waiting: Known = { state: 'pending' };
const launched: Known = { state: 'running', launchedAt: at(1), incarnation };
const elsewhere: Known = { ...launched, incarnation: 'other' };

describe('decideJobFate', () => {
  test.each<[string, HeldJob, Known, JobFate]>([
    ['lets a job without a record run', running, undefined, 'keep'],
    ['keeps what it left for its time', ended(101), undefined, 'keep'],
    ['and then no longer', ended(100), undefined, 'remove'],
    ['nor where nobody saw it end', { state: 'ended', incarnation }, undefined, 'remove'],
    ['keeps nothing that was never let run', prepared, undefined, 'remove'],
    ['waits for the launch', prepared, waiting, 'keep'],
    ['adopts what a record lacks', running, waiting, 'adopt'],
    ['adopts what has ended meanwhile', ended(1), waiting, 'adopt'],
    ['leaves a watched job alone', running, launched, 'keep'],
    ['waits for the release', prepared, launched, 'keep'],
    ['removes what was prepared where another was launched', prepared, elsewhere, 'remove'],
    ['keeps a job of a session that is just over', ended(150), over(150), 'keep'],
    ['gives what still runs then some time', running, over(201), 'keep'],
    ['but stops it when nobody watches', running, over(200), 'stop'],
    ['gives who prepares just then some time', prepared, over(201), 'keep'],
    ['but keeps no keys of what never ran', prepared, over(200), 'remove'],
    ['removes what has been over for long enough', ended(90), over(100), 'remove'],
    ['whatever it is', running, over(100), 'remove'],
  ])('%s', (_title, job, session, fate) => {
    expect(decideJobFate(job, session, times)).toBe(fate);
  });
});
