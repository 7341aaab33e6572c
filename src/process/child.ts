import type { ChildProcess } from 'node:child_process';
import { setTimeout as delay } from 'node:timers/promises';

const STOP_MS = 15_000;
const FIRST_PAUSE_MS = 500;
const LONGEST_PAUSE_MS = 30_000;
/** A child that has run for so long is launched again after the shortest pause. */
const LASTING_MS = 60_000;

/** A process that this one has started. */
export interface Child {
  readonly process: ChildProcess;
  /** Resolves when the process has ended; rejects if it could not be started. */
  readonly ended: Promise<unknown>;
}

/** Settings of the database that may contain its password. */
const CREDENTIALS = /^(?:DATABASE_URL|PG[A-Z]+)$/;

/** The environment for programs that get everything but credentials. Others get only what they need. */
export function toChildEnvironment(): NodeJS.ProcessEnv {
  const own = Object.entries(process.env);
  return Object.fromEntries(own.filter(([name]) => !CREDENTIALS.test(name)));
}

/** Ends the process, if need be with SIGKILL. */
export async function stopChild({ process, ended }: Child): Promise<void> {
  if (process.exitCode !== null || process.signalCode !== null || process.pid === undefined) return;
  process.kill('SIGTERM');
  const timer = setTimeout(() => process.kill('SIGKILL'), STOP_MS);
  await ended;
  clearTimeout(timer);
}

export interface Supervision<C extends Child> {
  readonly launch: () => Promise<C>;
  /** `pauseMs`: the pause before it is launched again. */
  readonly onEnd: (child: C, pauseMs: number) => void;
  readonly onFailure: (error: unknown) => void;
}

/** Launches the child again whenever it ends by itself, until it is closed. Pauses grow while launches fail or children end soon. */
export function superviseChild<C extends Child>(
  first: C,
  { launch, onEnd, onFailure }: Supervision<C>,
): { readonly close: () => Promise<void> } {
  const closing = new AbortController();
  const isClosing = () => closing.signal.aborted;
  let child = first;
  let pauseMs = FIRST_PAUSE_MS;
  let launchedAt = performance.now();
  const launchAgain = async () => {
    for (;;) {
      await delay(pauseMs, undefined, { signal: closing.signal }).catch(() => undefined);
      if (isClosing()) return;
      pauseMs = Math.min(2 * pauseMs, LONGEST_PAUSE_MS);
      launchedAt = performance.now();
      try {
        child = await launch();
        return;
      } catch (error) {
        onFailure(error);
      }
    }
  };
  const supervise = async () => {
    while (!isClosing()) {
      await child.ended.catch(onFailure);
      if (isClosing()) return;
      if (performance.now() - launchedAt > LASTING_MS) pauseMs = FIRST_PAUSE_MS;
      onEnd(child, pauseMs);
      await launchAgain();
    }
    // It was launched while `close` stopped the one before.
    await stopChild(child);
  };
  const supervising = supervise();
  return {
    async close() {
      closing.abort();
      await stopChild(child);
      await supervising;
    },
  };
}
