import type { Orchestrator } from '../clients/interfaces.js';
import type { Store } from '../store/store.js';
import type { ImageDependencies } from './dependencies.js';

export interface SweepDependencies {
  readonly store: Store;
  readonly orchestrator: Pick<
    Orchestrator,
    'namespaceId' | 'describeSession' | 'restartSession' | 'terminateSession' | 'loseJob'
  >;
  readonly logger: SweepLogger;
  readonly now: () => string;
  /** The most leftovers that one sweep removes. */
  readonly limit: number;
  readonly observer?: SweepObserver;
  /** Absent: there is no image management service to look into. */
  readonly images?: ImageDependencies;
  /** Hands over the ends of sessions that webhooks are still to be told. Absent: there are none here. */
  readonly handOver?: (signal: AbortSignal) => Promise<void>;
  /** A machine whose worker was not heard of for so long is gone, and its jobs with it; 0 = never. */
  readonly machineLostSeconds: number;
  /** The machine of the worker that sweeps. Absent where it has none. */
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

export type SweepActKind = 'restart' | 'record' | 'move' | 'lose' | 'remove';

/** One thing done, or to be done. */
export interface SweepEntry {
  readonly act: SweepActKind;
  readonly session: string;
  readonly jobId: string;
  readonly why: string;
}

export interface SweepReport {
  /** Sessions that are not complete and that Temporal was asked about. */
  readonly examined: number;
  readonly entries: readonly SweepEntry[];
  /** Why the sweep did not begin, or stopped before its end. */
  readonly halted?: string;
}

/** Does one thing and puts it on the report; a dry run only reports it. */
export type Perform = (entry: SweepEntry, act: () => Promise<unknown>) => Promise<void>;
