import type { Change, Store } from '../store/store.js';

/** Remembers that something changed until it is asked for, so that nothing is missed between a look and a wait. */
export interface Watch {
  /** Resolves at the next change, at once if one has come since the last call; also when the signal aborts or the time is over. */
  next(signal: AbortSignal, timeoutMs?: number): Promise<void>;
  /** As if something had changed. */
  wake(): void;
  close(): void;
}

export function openWatch(store: Store, concerns: (change: Change) => boolean): Watch {
  let pending = false;
  let release: (() => void) | undefined;
  const wake = () => {
    pending = true;
    release?.();
  };
  const close = store.subscribe((change) => {
    if (change.kind === 'any' || concerns(change)) wake();
  });
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
    wake,
    close,
  };
}

export function isAbout(jobId: string): (change: Change) => boolean {
  return (change) => change.kind === 'session' && change.jobId === jobId;
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
