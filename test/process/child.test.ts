import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { describe, expect, test } from '@jest/globals';
import { stopChild, superviseChild, type Child } from '../../src/process/child.js';
import { waitFor } from '../support/wait.js';

function launchSleep(): Child {
  const child = spawn('sleep', ['1000'], { stdio: 'ignore' });
  return { process: child, ended: once(child, 'exit') };
}

const isRunning = ({ process: { exitCode, signalCode } }: Child) =>
  exitCode === null && signalCode === null;

const ignore = { onEnd: () => undefined, onFailure: () => undefined };

describe('superviseChild', () => {
  test('launches the child again when it ends, and ends it on close', async () => {
    const first = launchSleep();
    const launched: Child[] = [];
    const ended: Child[] = [];
    const supervisor = superviseChild(first, {
      ...ignore,
      launch: () => {
        launched.push(launchSleep());
        return Promise.resolve(launched.at(-1) ?? first);
      },
      onEnd: (child) => void ended.push(child),
    });
    await stopChild(first);
    await waitFor(() => launched.length === 1, { what: 'another child' });
    expect(ended).toEqual([first]);
    await supervisor.close();
    expect(launched.map(isRunning)).toEqual([false]);
  });

  test('tries again after a launch that fails', async () => {
    const first = launchSleep();
    const failures: unknown[] = [];
    const launched: Child[] = [];
    const supervisor = superviseChild(first, {
      ...ignore,
      launch: () => {
        if (failures.length === 0) return Promise.reject(new Error('no memory'));
        launched.push(launchSleep());
        return Promise.resolve(launched.at(-1) ?? first);
      },
      onFailure: (error) => void failures.push(error),
    });
    await stopChild(first);
    await waitFor(() => launched.length === 1, { what: 'another child' });
    expect(failures).toEqual([new Error('no memory')]);
    await supervisor.close();
  });

  test('ends a child whose launch was under way at the close', async () => {
    const first = launchSleep();
    const { promise: launch, resolve } = Promise.withResolvers<Child>();
    let isLaunching = false;
    const supervisor = superviseChild(first, {
      ...ignore,
      launch: () => {
        isLaunching = true;
        return launch;
      },
    });
    await stopChild(first);
    await waitFor(() => isLaunching, { what: 'the launch' });
    const closed = supervisor.close();
    const second = launchSleep();
    resolve(second);
    await closed;
    expect(isRunning(second)).toBe(false);
  });
});
