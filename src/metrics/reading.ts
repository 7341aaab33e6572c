/** How long a scrape waits for a reading; Prometheus gives up after about 10 s. */
const WAIT_MS = 2_000;

export interface Reading<T> {
  /** The last reading, renewed if it is too old. Undefined if there is none or the last attempt failed. */
  latest(): Promise<T | undefined>;
}

/** Any number of scrapes cause one reading per `maxAgeMs`, and no scrape waits long for a source that is away. */
export function createReading<T>(
  read: () => Promise<T>,
  maxAgeMs: number,
  onError: (error: unknown) => void,
): Reading<T> {
  let value: T | undefined;
  let readAt = -Infinity;
  let running: Promise<void> | undefined;
  const renew = async () => {
    try {
      value = await read();
      readAt = performance.now();
    } catch (error) {
      value = undefined;
      onError(error);
    }
    running = undefined;
  };
  return {
    async latest() {
      if (performance.now() - readAt > maxAgeMs) running ??= renew();
      if (running !== undefined) await orAfter(running, WAIT_MS);
      return value;
    },
  };
}

async function orAfter(work: Promise<void>, milliseconds: number): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<undefined>();
  const timer = setTimeout(() => resolve(undefined), milliseconds);
  await Promise.race([work, promise]);
  clearTimeout(timer);
}
