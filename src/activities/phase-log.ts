import { isServiceError, ServiceError, setBack } from '../core/errors.js';
import type { Store } from '../store/store.js';
import { getSession } from './dependencies.js';

/**
 * Writes what the worker does for a phase to the log of that phase. The log of a phase of the job is the worker's until
 * the launch: the job gets these bytes and prints them first, so that its own log and the stored one stay the same.
 */
export interface PhaseLog {
  write(line: string): Promise<void>;
  /** Logs what is waited for, every 30 s for how long, and how it ended. */
  whileWaiting<T>(what: string, work: () => Promise<T>): Promise<T>;
}

const TELL_MS = 30_000;

export function openPhaseLog(
  store: Store,
  jobId: string,
  phase: string,
  signal: AbortSignal,
): PhaseLog {
  const write = async (line: string) => {
    signal.throwIfAborted();
    if (phase !== 'teardown') await refuseLaunched(store, jobId);
    const isTaken = await store.logs.appendLine(jobId, phase, line).catch((error: unknown) => {
      throw isServiceError(error) && error.fault === 'missing' ? setBack(jobId, 'the plan') : error;
    });
    // The line was not taken because the launch is under way, so this is a late attempt too.
    if (!isTaken) await refuseLaunched(store, jobId);
  };
  return {
    write,
    async whileWaiting(what, work) {
      const began = Date.now();
      const seconds = () => ((Date.now() - began) / 1000).toFixed(1);
      let told = write(`${what} …`);
      // `told` is awaited after the work. If it rejects before that, the process must not end for an unhandled rejection.
      told.catch(() => undefined);
      const timer = setInterval(() => {
        told = told
          .then(() => write(`${what}: no answer for ${seconds()} s.`))
          .catch(() => undefined);
      }, TELL_MS);
      try {
        const result = await work();
        await told;
        await write(`${what}: done in ${seconds()} s.`);
        return result;
      } catch (error) {
        await told;
        await write(`ERROR ${what}: ${error instanceof Error ? error.message : String(error)}`);
        throw error;
      } finally {
        clearInterval(timer);
      }
    },
  };
}

/** Throws if the job was launched: then this is a late attempt of a step that another has done, and the log is the job's. */
async function refuseLaunched(store: Store, jobId: string): Promise<void> {
  const { launchedAt } = await getSession(store, jobId);
  if (launchedAt !== undefined) throw new ServiceError('conflict', `Job ${jobId} was launched.`);
}
