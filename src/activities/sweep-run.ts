import type {
  HandoverRun,
  SweepDependencies,
  SweepEntry,
  SweepFailure,
  SweepPart,
  SweepReport,
} from './sweep-dependencies.js';

export interface SweepOptions {
  /** Reports what would be done, and does nothing. */
  readonly dryRun: boolean;
}

/** What the parts of one sweep share. */
export interface SweepRun extends HandoverRun {
  /** Does one thing and puts it on the report; a dry run only reports it. */
  readonly perform: (entry: SweepEntry, act: () => Promise<unknown>) => Promise<void>;
  /**
   * Does one part. Whatever it throws is logged and put on the report, so that no session, and no defect, holds back the
   * others; the next sweep tries again. Only the end of the sweep itself is thrown.
   */
  readonly attempt: (part: SweepPart, act: () => Promise<unknown>) => Promise<void>;
  readonly report: () => Pick<SweepReport, 'entries' | 'failures'>;
}

export function openRun(
  { observer, logger }: Pick<SweepDependencies, 'observer' | 'logger'>,
  { dryRun }: SweepOptions,
  signal: AbortSignal,
): SweepRun {
  const entries: SweepEntry[] = [];
  const failures: SweepFailure[] = [];
  const note = (entry: SweepEntry) => {
    if (!dryRun) observer?.onAct(entry.act);
    entries.push(entry);
    logger.info({ ...entry, dryRun }, 'sweep');
  };
  const fail = (part: SweepPart, error: unknown) => {
    const { message, session, jobId } = part;
    failures.push({ ...part, why: error instanceof Error ? error.message : String(error) });
    logger.warn({ err: error, session, jobId }, message);
  };
  return {
    dryRun,
    signal,
    note,
    fail,
    async perform(entry, act) {
      if (!dryRun) await act();
      note(entry);
    },
    async attempt(part, act) {
      signal.throwIfAborted();
      try {
        await act();
      } catch (error) {
        if (signal.aborted) throw error;
        fail(part, error);
      }
    },
    report: () => ({ entries, failures }),
  };
}
