import { describe, expect, test } from '@jest/globals';
import { decideJobFate, type HeldJob, type JobFate } from '../../src/core/job-fate.js';
import { at } from '../support/store-builders.js';

type Known = Parameters<typeof decideJobFate>[1];
const times = { expiry: at(100), abandon: at(200) };
const prepared: HeldJob = { state: 'prepared' };
const running: HeldJob = { state: 'running' };
const ended = (seconds: number): HeldJob => ({ state: 'ended', endedAt: at(seconds) });
const over = (seconds: number): Known => ({ state: 'complete', completedAt: at(seconds) });
const waiting: Known = { state: 'pending' };
const launched: Known = { state: 'running', launchedAt: at(1) };

describe('decideJobFate', () => {
  test.each<[string, HeldJob, Known, JobFate]>([
    ['lets a job without a record run', running, undefined, 'keep'],
    ['keeps what it left for its time', ended(101), undefined, 'keep'],
    ['and then no longer', ended(100), undefined, 'remove'],
    ['nor where nobody saw it end', { state: 'ended' }, undefined, 'remove'],
    ['keeps nothing that was never let run', prepared, undefined, 'remove'],
    ['waits for the launch', prepared, waiting, 'keep'],
    ['adopts what a record lacks', running, waiting, 'adopt'],
    ['adopts what has ended meanwhile', ended(1), waiting, 'adopt'],
    ['leaves a watched job alone', running, launched, 'keep'],
    ['keeps a job of a session that is just over', ended(150), over(150), 'keep'],
    ['gives what still runs then some time', running, over(201), 'keep'],
    ['but stops it when nobody watches', running, over(200), 'stop'],
    ['removes what has been over for long enough', ended(90), over(100), 'remove'],
    ['whatever it is', running, over(100), 'remove'],
  ])('%s', (_title, job, session, fate) => {
    expect(decideJobFate(job, session, times)).toBe(fate);
  });
});
