import type { Orchestrator } from '../clients/interfaces.js';
import type { Store } from '../store/store.js';
import type { ImageDependencies } from './dependencies.js';

export interface SweepDependencies {
  readonly store: Store;
  readonly orchestrator: Pick<
    Orchestrator,
    | 'namespaceId'
    | 'describeSession'
    | 'describeCycle'
    | 'listWaiting'
    | 'restartSession'
    | 'terminateRun'
    | 'cancelSession'
    | 'admitSession'
    | 'loseJob'
  >;
  readonly logger: SweepLogger;
  readonly now: () => string;
  /** The most sessions whose leftovers one sweep removes. */
  readonly limit: number;
  readonly observer?: SweepObserver;
  /** Absent if there is no image management service. */
  readonly images?: ImageDependencies;
  /** Hands over the ends of sessions that webhooks have not been told of. Absent if this process has no webhooks. */
  readonly handOver?: (run: HandoverRun) => Promise<void>;
  /** How long a machine may be silent before it counts as lost, with its jobs; 0 = for ever. */
  readonly machineLostSeconds: number;
  /** The machine of the worker that sweeps, if it has one. */
  readonly machine?: string;
}

export interface SweepLogger {
  info(fields: object, message: string): void;
  warn(fields: object, message: string): void;
}

export interface SweepObserver {
  onAct(act: SweepActKind): void;
  onEnd(report: SweepReport): void;
}

export type SweepActKind =
  | 'admit'
  | 'restart'
  | 'record'
  | 'tell'
  | 'move'
  | 'lose'
  | 'end'
  | 'notify'
  | 'forget'
  | 'remove';

/** One thing that was done or, in a dry run, would be. */
export interface SweepEntry {
  readonly act: SweepActKind;
  readonly session: string;
  readonly jobId: string;
  readonly why: string;
}

/** Something that the sweep could not look at or put right. */
export interface SweepFailure {
  readonly message: string;
  /** Absent if it is not about one session. */
  readonly session?: string;
  readonly jobId?: string;
  readonly why: string;
}

/** `message` is the constant text of the log line. */
export type SweepPart = Omit<SweepFailure, 'why'>;

/** A sweep, as far as the handing over of ends must know it. */
export interface HandoverRun {
  /** Starts and writes nothing. */
  readonly dryRun: boolean;
  readonly signal: AbortSignal;
  /** Puts on the report what is done already. */
  readonly note: (entry: SweepEntry) => void;
  /** Logs what a part has thrown, and puts it on the report. */
  readonly fail: (part: SweepPart, error: unknown) => void;
}

export interface SweepReport {
  /** Sessions that are not complete and that Temporal was asked about. */
  readonly examined: number;
  readonly entries: readonly SweepEntry[];
  readonly failures: readonly SweepFailure[];
  /** Why the sweep did not begin, or stopped before its end. */
  readonly halted?: string;
}
