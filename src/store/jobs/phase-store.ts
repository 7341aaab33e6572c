import type { Phase, PhaseResult, SessionPhaseKind } from '../../core/job.js';
import type { Hold, NewHold, ReleaseDecision, ReleaseRequest } from '../../core/release.js';
import type { Silence } from '../../core/silence.js';

export interface PhaseStore {
  /** Inserts the phases of a job, in order, as pending. A repeat changes nothing. */
  savePlan(
    jobId: string,
    phases: readonly (Pick<Phase, 'name'> & { kind: PhaseRecord['kind']; title: string })[],
  ): Promise<void>;
  /** The phases of a job, in order. */
  list(jobId: string): Promise<readonly PhaseRecord[]>;
  find(jobId: string, phase: string): Promise<PhaseRecord | undefined>;
  /** Makes a pending phase running and, unless it is sealed or the session is complete, the current phase of the session. */
  start(jobId: string, phase: string): Promise<void>;
  /**
   * Stores what the job reports about the phase: when it started, if that is not known yet, how it ended, and how long its
   * log is. `running` after `ended` is ignored. Throws fault `gone` if the phase is sealed.
   */
  report(jobId: string, phase: string, report: PhaseReport): Promise<void>;
  /**
   * Ends the phase with this result, once. Nothing of the phase changes afterwards. False if it was sealed before, or if its log
   * has lost some of `logBytes`, because the database was set back.
   */
  seal(
    jobId: string,
    phase: string,
    result: PhaseResult,
    at: string,
    logBytes?: number,
  ): Promise<boolean>;
  /** Records a hold. A released one stays released unless this one is later. Throws fault `gone` if the phase is sealed. */
  hold(jobId: string, phase: string, hold: NewHold, at: string): Promise<void>;
  /** Ends the hold of a job, if `decideRelease` says so. A repeat changes nothing. */
  endHold(jobId: string, request: ReleaseRequest): Promise<ReleaseDecision>;
  /** Job id → what is held at that time. */
  holds(jobIds: readonly string[], at: string): Promise<ReadonlyMap<string, Hold>>;
  /**
   * Records which hosts are silent, until the phase is sealed; an older report that comes late is ignored. Undefined if no
   * silence has begun or ended with this report. Throws fault `gone` if the phase is sealed.
   */
  tellSilence(
    jobId: string,
    phase: string,
    report: SilenceReport,
  ): Promise<SilenceTurn | undefined>;
  /** Job id → silent hosts. */
  silences(jobIds: readonly string[]): Promise<ReadonlyMap<string, Silence>>;
  /** Over all phases. */
  countSilentHosts(): Promise<number>;
}

export interface PhaseRecord {
  readonly jobId: string;
  readonly name: string;
  readonly kind: SessionPhaseKind;
  readonly title: string;
  readonly position: number;
  readonly state: PhaseState;
  readonly result?: PhaseResult;
  readonly startedAt?: string;
  readonly endedAt?: string;
  /** Bytes of log stored. */
  readonly logBytes: number;
  /** The length of the log according to the job. Known once the job has reported the end of the phase. */
  readonly reportedLogBytes?: number;
  /** How the phase ended according to the job; `result` is according to the platform. */
  readonly reportedResult?: PhaseResult;
  /** Whether the last host results have come. */
  readonly hostsFinal: boolean;
  /** Whether each host that did not fail came to the end of the playbook. */
  readonly hostsWhole?: boolean;
  readonly sealedAt?: string;
  readonly hold?: Hold;
  /** How often its command was run again. Absent: never. */
  readonly reruns?: number;
  /** The last run used other files than those of the recorded commit. */
  readonly filesChanged?: boolean;
  /** Silent hosts. */
  readonly silence?: Silence;
}

export type PhaseState = 'pending' | 'running' | 'ended';

export interface PhaseReport {
  readonly state: 'running' | 'ended';
  readonly startedAt: string;
  /** How the phase ended, if it has and the job knows. */
  readonly result?: PhaseResult;
  readonly logBytes?: number;
}

export interface SilenceReport {
  /** Counts the reports of a phase from 1. */
  readonly sequence: number;
  /** Undefined if no host is silent any more. */
  readonly silence: Silence | undefined;
}

export interface SilenceTurn {
  readonly kind: 'began' | 'ended';
  /** The sequence of the report with which this silence began. */
  readonly begun: number;
}
