import type { Change, Store } from '../store/store.js';

/** Remembers a change until the next wait, so that a change between a read and the wait is not missed. */
export interface Latch {
  /**
   * Resolves at the next change, or at once if there was one since the last call. Also resolves when the signal aborts and
   * after `timeoutMs`.
   */
  next(signal: AbortSignal, timeoutMs?: number): Promise<void>;
  /** Reports a change. */
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
