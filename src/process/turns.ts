/** Lets a fixed number of callers act at the same time. The others wait, first come, first served. */
export interface Turns {
  take<T>(act: () => Promise<T>, signal: AbortSignal): Promise<T>;
}

export function createTurns(count: number): Turns {
  let free = count;
  const waiting = new Set<() => void>();
  const wait = (signal: AbortSignal) =>
    new Promise<void>((resolve, reject) => {
      const enter = () => {
        waiting.delete(enter);
        signal.removeEventListener('abort', leave);
        resolve();
      };
      const leave = () => {
        waiting.delete(enter);
        reject(signal.reason as Error);
      };
      waiting.add(enter);
      signal.addEventListener('abort', leave, { once: true });
    });
  return {
    async take(act, signal) {
      signal.throwIfAborted();
      if (free > 0) free -= 1;
      else await wait(signal);
      try {
        return await act();
      } finally {
        const [next] = waiting;
        if (next === undefined) free += 1;
        else next();
      }
    },
  };
}
