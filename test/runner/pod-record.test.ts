import { describe, expect, test } from '@jest/globals';
import { toPodPhase } from '../../src/runner/pod-phase.js';
import { toToldLog, toToldResults } from '../../src/runner/pod-record.js';
import { aPod, ended, PHASES, running, TIMES } from './pod-builders.js';

describe('toToldLog', () => {
  const told = (record: object) =>
    toToldLog(aPod([ended(0, { state: 'ended', exit_code: 0, ...record, ...TIMES })]), 'one');

  test('is what the wrapper reported', () => {
    expect(told({ log_bytes: 17, log_head: 'ab', log_tail: 'cd' })).toEqual({
      bytes: 17,
      head: 'ab',
      tail: 'cd',
    });
    expect(toToldLog(aPod([ended(0), running]), 'two')).toBeUndefined();
  });

  test('is what is left if the kubelet has cut it', () => {
    const whole =
      '{"state":"ended","exit_code":0,"log_bytes":17,"log_tail":"cd","ended_at":"2026-01-01T00:00:20.456Z"}';
    const cut = (bytes: number) => aPod([ended(0, whole.slice(0, bytes))]);
    const read = (bytes: number) => toToldLog(cut(bytes), 'one');
    expect(read(whole.indexOf(',"ended_at'))).toEqual({ bytes: 17 });
    expect(read(whole.indexOf('"ended_at'))).toEqual({ bytes: 17, tail: 'cd' });
    for (let bytes = 0; bytes < whole.length; bytes += 1) {
      expect([undefined, 17]).toContain(read(bytes)?.bytes);
      const exited = { kind: 'exited', exitCode: 0 };
      expect(toPodPhase(cut(bytes), PHASES, 'one')).toMatchObject({ result: exited });
    }
  });

  test('lacks what an older wrapper does not report', () => {
    expect(told({ log_bytes: 17 })).toEqual({ bytes: 17 });
    expect(told({})).toBeUndefined();
  });
});

describe('toToldResults', () => {
  const whole = '{"state":"ended","exit_code":2,"log_bytes":17,"results":"cGFj:0123"}';
  const read = (message: string) => toToldResults(aPod([ended(2, message)]), 'one');

  test('is what the wrapper has signed', () => {
    expect(read(whole)).toBe('cGFj:0123');
    expect(read('{"state":"ended","exit_code":2}')).toBeUndefined();
    expect(toToldResults(aPod([running]), 'one')).toBeUndefined();
  });

  test('is nothing if the kubelet has cut it, which costs no other member', () => {
    const cut = whole.slice(0, -3);
    expect(read(cut)).toBeUndefined();
    expect(toToldLog(aPod([ended(2, cut)]), 'one')).toEqual({ bytes: 17 });
  });
});
