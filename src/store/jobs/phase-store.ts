import type { Phase, PhaseResult, SessionPhaseKind } from '../../core/job.js';
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
  /** Makes a pending phase running, and the phase of its session, unless the session is complete. */
  start(jobId: string, phase: string): Promise<void>;
  /**
   * Stores what the job says of the phase: when it started, where that is not known yet, how it ended, and how long its log is. `running` after
   * `ended` is ignored. A phase that is sealed is fault `gone`.
   */
  report(jobId: string, phase: string, report: PhaseReport): Promise<void>;
  /** Ends the phase with this result, once: from then on nothing of it changes. False: it was sealed before. */
  seal(jobId: string, phase: string, result: PhaseResult, at: string): Promise<boolean>;
  /** Records a hold. One that was released stays so unless this one is later. A phase that is sealed is fault `gone`. */
  hold(jobId: string, phase: string, hold: Omit<Hold, 'releasedAt'>, at: string): Promise<void>;
  /** Releases what is held at that moment. A repeat changes nothing. False: nothing is held. */
  endHold(jobId: string, at: string): Promise<boolean>;
  /** Job id → what is held at that moment. */
  holds(jobIds: readonly string[], at: string): Promise<ReadonlyMap<string, Hold>>;
  /**
   * Records of which hosts nothing is heard, until the phase is sealed; an earlier report that comes late is ignored. Undefined:
   * a silence has neither begun nor ended with it. A phase that is sealed is fault `gone`.
   */
  tellSilence(
    jobId: string,
    phase: string,
    report: SilenceReport,
  ): Promise<SilenceTurn | undefined>;
  /** Job id → hosts of which nothing is heard. */
  silences(jobIds: readonly string[]): Promise<ReadonlyMap<string, Silence>>;
  /** Of all phases. */
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
  /** How long the log is by the word of the job. Known when the job has reported the end of the phase. */
  readonly reportedLogBytes?: number;
  /** How the phase ended by the word of the job; `result` is the word of the platform. */
  readonly reportedResult?: PhaseResult;
  /** Whether the last host results have come. */
  readonly hostsFinal: boolean;
  /** Whether each host that did not fail came to the end of the playbook. */
  readonly hostsWhole?: boolean;
  readonly sealedAt?: string;
  readonly hold?: Hold;
  /** Hosts of which nothing is heard. */
  readonly silence?: Silence;
}

export type PhaseState = 'pending' | 'running' | 'ended';

export interface PhaseReport {
  readonly state: 'running' | 'ended';
  readonly startedAt: string;
  /** How the phase ended, where it has, and the job knows how. */
  readonly result?: PhaseResult;
  readonly logBytes?: number;
}

export interface SilenceReport {
  /** Counts the reports of a phase from 1. */
  readonly sequence: number;
  /** Undefined: it is over. */
  readonly silence: Silence | undefined;
}

export interface SilenceTurn {
  readonly kind: 'began' | 'ended';
  /** The sequence of the report with which this silence began. */
  readonly begun: number;
}

export interface Hold {
  readonly since: string;
  readonly until: string;
  readonly command: string;
  readonly releasedAt?: string;
}
