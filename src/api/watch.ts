import type { Change, Store } from '../store/store.js';

/** Remembers that something changed until it is asked for, so that nothing is missed between a look and a wait. */
export interface Latch {
  /** Resolves at the next change, at once if one has come since the last call; also when the signal aborts. */
  next(signal: AbortSignal, timeoutMs?: number): Promise<void>;
  /** Wakes whoever waits, as if something had changed. */
  wake(): void;
}

export interface Watch extends Latch {
  close(): void;
}

export function openWatch(store: Store, concerns: (change: Change) => boolean): Watch {
  const latch = createLatch();
  const close = store.subscribe((change) => {
    if (change.kind === 'any' || concerns(change)) latch.wake();
  });
  return { ...latch, close };
}

export function isAbout(jobId: string): (change: Change) => boolean {
  return (change) => change.kind === 'session' && change.jobId === jobId;
}

export function createLatch(): Latch {
  let pending = false;
  let release: (() => void) | undefined;
  return {
    async next(signal, timeoutMs) {
      if (!pending && !signal.aborted) {
        await untilReleased(signal, timeoutMs, (resolve) => {
          release = resolve;
        });
      }
      release = undefined;
      pending = false;
    },
    wake() {
      pending = true;
      release?.();
    },
  };
}

async function untilReleased(
  signal: AbortSignal,
  timeoutMs: number | undefined,
  setRelease: (release: () => void) => void,
): Promise<void> {
  await new Promise<void>((resolve) => {
    const timer = timeoutMs === undefined ? undefined : setTimeout(() => release(), timeoutMs);
    const release = () => {
      clearTimeout(timer);
      signal.removeEventListener('abort', release);
      resolve();
    };
    signal.addEventListener('abort', release);
    setRelease(release);
  });
}
