import type {
  Component,
  ComponentPatch,
  ComponentPut,
  ConfigurationStatus,
  DesiredLayerStatus,
} from '../core/component.js';
import type { BatchStore } from './batch-store.js';
import type { Page, PageRequest } from './page.js';
import type { SourceStore, UseFilter } from './source-store.js';
import type { Configuration } from '../core/configuration.js';
import type { Reason } from '../core/errors.js';
import type { HostResult, Phase, PhaseResult, SessionPhaseKind } from '../core/job.js';
import type { Options } from '../core/options.js';
import type { HostSummary } from '../core/outcome.js';
import type { PatchedRecord } from '../core/session-patch.js';
import type {
  Artifact,
  Desired,
  Dispatched,
  Outcome,
  Session,
  SessionRequest,
  SessionState,
  Snapshot,
  Succeeded,
  Wait,
} from '../core/session.js';

/** What people read and ask. Every method is one transaction; a database that does not answer is fault `unavailable`. */
export interface Store {
  readonly sessions: SessionStore;
  readonly configurations: ConfigurationStore;
  readonly sources: SourceStore;
  readonly components: ComponentStore;
  readonly batches: BatchStore;
  readonly options: OptionStore;
  readonly phases: PhaseStore;
  readonly logs: LogStore;
  readonly hosts: HostStore;
  readonly stagedFiles: StagedFileStore;
  readonly resources: ResourceStore;
  readonly sweep: SweepStore;
  readonly admission: AdmissionStore;
  readonly retention: RetentionStore;
  /** Random, made once; marks everything that we create elsewhere. 8 hexadecimal digits. */
  deploymentId(): Promise<string>;
  /** Calls the listener after commits, in this process at once, for those of others soon. Returns how to stop. */
  subscribe(listener: (change: Change) => void): () => void;
  ping(): Promise<void>;
  /** Absent where there is no pool of connections. */
  readonly pool?: () => PoolUse;
  close(): Promise<void>;
}

/** Connections, and what waits for one, at this moment. */
export interface PoolUse {
  readonly used: number;
  readonly idle: number;
  readonly max: number;
  readonly waiting: number;
}

export type Change =
  /** There may be something to dispatch. */
  | { readonly kind: 'wish' }
  /** Log bytes, phase state or outcome of one session. */
  | { readonly kind: 'session'; readonly jobId: string }
  /** Something changed elsewhere; look again. */
  | { readonly kind: 'any' };

export interface NewSession {
  readonly jobId: string;
  readonly request: SessionRequest;
  readonly createdAt: string;
  /** For an operator outside: never a wish. */
  readonly external?: boolean;
}

/** All given filters hold; names compare by code point. */
export interface SessionFilter {
  readonly state?: SessionState;
  readonly succeeded?: Succeeded;
  readonly nameContains?: string;
  /** Created at or before / at or after; ISO. */
  readonly createdUntil?: string;
  readonly createdFrom?: string;
  readonly tags?: Readonly<Record<string, string>>;
}

/** Rules of each write: ARCHITECTURE.md, "The session record". Times are ISO strings. */
export interface SessionStore {
  /** Name taken by a record that is not deleted: fault `conflict`, titled as the API wants. Emits `wish`. */
  insert(session: NewSession): Promise<Session>;
  /** By name, among those not deleted. */
  find(name: string): Promise<Session | undefined>;
  /** By job id, deleted ones too. */
  get(jobId: string): Promise<Session | undefined>;
  /** Without what they were resolved to: `snapshot` is for `get`. */
  list(filter: SessionFilter, page: PageRequest): Promise<Page<Session>>;
  /**
   * Not complete, and not in teardown: desired rises to `cancel`; pending and unclaimed: complete at once, CANCELLED.
   * Cancelled already: the record as it is. Complete, or in teardown: fault `conflict`. No such name: `missing`.
   */
  requestCancel(name: string, wish: CancelWish): Promise<Session>;
  /** Hides the record; its name is free again. No such name: `missing`. Of N at once exactly one succeeds. */
  requestDelete(name: string, wish: CancelWish): Promise<void>;
  /**
   * Like `requestDelete` for all that match, a thousand in a transaction; the names deleted by this call, sorted. Each is
   * reported to one caller only.
   */
  deleteMany(filter: SessionFilter, wish: CancelWish): Promise<readonly string[]>;
  /**
   * What `decide` makes of the record, in one transaction; state, outcome and times only of a session of an operator
   * outside. No such name: `missing`.
   */
  patch(name: string, decide: (session: Session) => PatchedRecord): Promise<Session>;
  /** A cancel that came to the workflow: desired rises to `cancel` where the record is not complete; who and why if not known yet. */
  noteCancel(jobId: string, wish: CancelWish): Promise<Session>;
  /**
   * Sets claimed_at, the machine, and a place or a place in the queue (option `max_running_sessions`), each once and only while
   * not complete; the record as it then is.
   */
  claim(jobId: string, claim: { readonly at: string; readonly machine?: string }): Promise<Session>;
  /** Once; a repeat returns the stored one. */
  saveSnapshot(jobId: string, snapshot: Snapshot): Promise<Snapshot>;
  /** pending → running where desired is `run` and it was not stopped; false: it is not so. True again on a repeat. */
  markRunning(jobId: string): Promise<boolean>;
  /**
   * The fence: this incarnation may run, no other ever. Lost (launched, stopped, not wanted, attach only, another machine's by
   * now): won = false.
   */
  recordLaunch(
    jobId: string,
    launch: { readonly at: string; readonly incarnation: string; readonly machine?: string },
  ): Promise<{ readonly won: boolean; readonly session: Session }>;
  /**
   * Of a record that is older than its job, as after a restore: this incarnation runs or ran. Changes nothing where one is
   * recorded, or the session complete. The record as it then is.
   */
  recordAttach(
    jobId: string,
    attach: { readonly at: string; readonly incarnation: string; readonly machine?: string },
  ): Promise<Session>;
  /**
   * Takes a session that has launched nothing from its machine, which can launch nothing for it from then on; the next claim
   * gives it another. False: it has launched or stopped, may not launch, or is not that machine's.
   */
  unclaim(jobId: string, machine: string): Promise<boolean>;
  /** Once; from then on nothing may be launched. */
  recordStop(jobId: string, at: string): Promise<void>;
  /** The packaging of a success begins, once and only where desired is `run`: from then on a cancel is too late. False: cancelled. */
  recordTeardown(jobId: string, at: string): Promise<boolean>;
  /** Of an image session; of several the first. */
  recordImsJob(jobId: string, imsJob: string): Promise<void>;
  /** One for each image; a repeat changes nothing. */
  addArtifact(jobId: string, artifact: Artifact): Promise<void>;
  /**
   * What it waits for; forgotten with each step and phase that comes after. No effect on a complete
   * session, nor, of a job that was launched, for another phase than the one that runs.
   */
  recordWait(jobId: string, wait: Wait): Promise<void>;
  /** Goes on; no effect where something else has been told since. */
  recordWaitEnd(jobId: string, wait: Wait): Promise<void>;
  /**
   * Once, with state = complete; every phase not sealed is sealed as skipped, and the place that is free goes to the first of
   * the queue. False: it was complete.
   */
  recordOutcome(jobId: string, outcome: Outcome, at: string): Promise<boolean>;
  /**
   * Sessions whose wish Temporal does not have yet: (desired run, dispatched none, not complete), or (desired above run,
   * dispatched not `cancelled`, not complete). Leased to this caller until `leaseUntil`; `now` frees older leases.
   */
  takeWishes(take: {
    readonly now: string;
    readonly leaseUntil: string;
    readonly limit: number;
  }): Promise<readonly Session[]>;
  /** What Temporal has acknowledged; never goes back. `isTold`: the admission too. Ends the lease. */
  recordDispatched(
    jobId: string,
    dispatched: Dispatched,
    admission?: { readonly isTold: boolean },
  ): Promise<void>;
  /** Temporal did not answer: the lease ends at `at`. */
  returnWish(jobId: string, at: string): Promise<void>;
  /** The earliest moment at which a wish may be taken; undefined: none waits. */
  nextWishAt(): Promise<string | undefined>;
  /** Wishes waiting, for health and metrics. */
  countWishes(): Promise<number>;
  /** Not complete and not deleted. */
  countOpen(): Promise<{ readonly pending: number; readonly running: number }>;
  /** Complete and not deleted, by how they ended; in pieces, so that a million may be counted. */
  countComplete(): Promise<readonly SessionCount[]>;
}

export interface SessionCount {
  readonly succeeded: Succeeded;
  readonly reason?: Reason;
  readonly count: number;
}

export interface CancelWish {
  readonly at: string;
  readonly by?: string;
  readonly reason?: string;
}

export interface StoredConfiguration {
  readonly configuration: Configuration;
  /** Another one with each write; none comes twice. */
  readonly version: number;
}

export interface ConfigurationStore {
  find(name: string): Promise<StoredConfiguration | undefined>;
  /** In use: a component is to have it. */
  list(page: PageRequest & UseFilter & { readonly tenant?: string }): Promise<Page<Configuration>>;
  /**
   * Creates or replaces. With `ifVersion` only where the stored version is that one, 0 = where none is stored, else fault
   * `conflict`. A source that is not there: `invalid`.
   */
  save(configuration: Configuration, ifVersion?: number): Promise<void>;
  /** Fault `missing` where there is none, `invalid` where a component is to have it; with `ifVersion` as `save`. */
  remove(name: string, ifVersion?: number): Promise<void>;
}

/** All given filters hold. */
export interface ComponentFilter {
  readonly ids?: readonly string[];
  readonly status?: ConfigurationStatus;
  readonly enabled?: boolean;
  readonly configName?: string;
  readonly tags?: Readonly<Record<string, string>>;
}

/** A component, and what follows from it, its configuration, sources and options as they are now. */
export interface ComponentView {
  readonly component: Component;
  readonly status: ConfigurationStatus;
  /** Layers of the configuration it is to have; none where that is not stored. */
  readonly desiredState: readonly DesiredLayerStatus[];
}

/** Every write is all or nothing; `at` is ISO. Results are made one by one, so that nobody holds what he does not need. */
export interface ComponentStore {
  find(id: string): Promise<ComponentView | undefined>;
  list(filter: ComponentFilter, page: PageRequest): Promise<Page<ComponentView>>;
  /** Creates or replaces, in this order; a repeated id is what came last. */
  put<T>(
    components: readonly ComponentPut[],
    at: string,
    toResult: (component: Component) => T,
  ): Promise<readonly T[]>;
  /** In this order; ids may repeat. One that is not stored: fault `missing`, and nothing is changed. */
  patch<T>(
    patches: readonly (ComponentPatch & Pick<Component, 'id'>)[],
    at: string,
    toResult: (component: Component) => T,
  ): Promise<readonly T[]>;
  /** All that match, by id, those that the patch leaves as they are too. */
  patchMatching<T>(
    filter: ComponentFilter,
    patch: ComponentPatch,
    at: string,
    toResult: (component: Component) => T,
  ): Promise<readonly T[]>;
  /** As `patchMatching`, for their ids alone: much cheaper where nothing but columns changes. */
  patchAll(filter: ComponentFilter, patch: ComponentPatch, at: string): Promise<readonly string[]>;
  /**
   * What `decide` makes of each of those that are stored, in one transaction with what it was shown; undefined: it stays.
   * The ids of those that changed.
   */
  change(
    ids: readonly string[],
    decide: (view: ComponentView) => ComponentPatch | undefined,
    at: string,
  ): Promise<readonly string[]>;
  /** Fault `missing` where there is none. */
  remove(id: string): Promise<void>;
  /** Makes those that are not there, disabled and without state; how many. */
  addMissing(ids: readonly string[]): Promise<number>;
}

export interface OptionStore {
  /** Stored values over the defaults. */
  get(): Promise<Options>;
  /** Merges in one transaction; the options as they then are. */
  patch(changes: Partial<Options>): Promise<Options>;
}

export type PhaseState = 'pending' | 'running' | 'ended';

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
  /** What the job says it wrote in all; known when it has reported its end. */
  readonly reportedLogBytes?: number;
  /** How the job says it ended; `result` is what the platform says. */
  readonly reportedResult?: PhaseResult;
  /** Whether host results with `final` have come. */
  readonly hostsFinal: boolean;
  readonly sealedAt?: string;
  readonly hold?: Hold;
}

export interface Hold {
  readonly since: string;
  readonly until: string;
  readonly command: string;
  readonly releasedAt?: string;
}

export interface PhaseReport {
  readonly state: 'running' | 'ended';
  readonly startedAt: string;
  /** Of one that has ended, where the job knows. */
  readonly result?: PhaseResult;
  readonly logBytes?: number;
}

export interface PhaseStore {
  /** The rows of a job, pending, in order; a repeat changes nothing. */
  savePlan(
    jobId: string,
    phases: readonly (Pick<Phase, 'name'> & { kind: PhaseRecord['kind']; title: string })[],
  ): Promise<void>;
  /** In the job's order. */
  list(jobId: string): Promise<readonly PhaseRecord[]>;
  find(jobId: string, phase: string): Promise<PhaseRecord | undefined>;
  /** The workflow sees it run: pending → running; and it is the session's phase, unless that is complete. */
  start(jobId: string, phase: string): Promise<void>;
  /** The job's own word: writes started_at where null, and what is reported of the log; `running` after `ended` is ignored. Sealed: fault `gone`. */
  report(jobId: string, phase: string, report: PhaseReport): Promise<void>;
  /** Result and state `ended`, once, in one transaction guarded by sealed_at being null; false: sealed already. */
  seal(jobId: string, phase: string, result: PhaseResult, at: string): Promise<boolean>;
  /** Sealed: fault `gone`. A hold that was released stays so unless `since` is later. */
  hold(jobId: string, phase: string, hold: Omit<Hold, 'releasedAt'>): Promise<void>;
  /** Ends what is held at that moment; a repeat changes nothing. False: nothing is. */
  endHold(jobId: string, at: string): Promise<boolean>;
  /** What is held at that moment, by job. */
  holds(jobIds: readonly string[], at: string): Promise<ReadonlyMap<string, Hold>>;
}

export type AppendResult =
  | { readonly kind: 'stored'; readonly end: number }
  /** The offset lies beyond the end. */
  | { readonly kind: 'mismatch'; readonly expected: number }
  | { readonly kind: 'sealed' };

export interface LogStore {
  /**
   * One transaction: what lies before the end is skipped, the rest stored as one gzip chunk. Sealed: only an identical
   * repeat of stored bytes is `stored`. No such phase: fault `missing`. `gzip`: the same bytes, where they came compressed.
   */
  append(
    jobId: string,
    phase: string,
    offset: number,
    bytes: Uint8Array,
    gzip?: Uint8Array,
  ): Promise<AppendResult>;
  /**
   * A line of the worker's at the end, wherever that is by then; several may write at once. False: the log was handed over.
   * Sealed: fault `gone`.
   */
  appendLine(jobId: string, phase: string, line: string): Promise<boolean>;
  /** Once: what the log holds becomes the staged file `<phase>-notes`, and what comes after that is the job's alone. */
  handOver(jobId: string, phase: string): Promise<void>;
  /**
   * The platform lost what belongs at the end of the log; readers see one line that says so in its place. Told again before
   * anything was appended, it is the same gap: the first line stays.
   */
  recordGap(jobId: string, phase: string, message: string): Promise<void>;
  /** The last gap of the phase; undefined where there is none. */
  findGap(jobId: string, phase: string): Promise<RecordedGap | undefined>;
  /** The stored bytes from `offset` on, chunk by chunk, as far as they go now. */
  read(jobId: string, phase: string, offset: number): AsyncIterable<Uint8Array>;
  /** The last bytes, at most `limit`. */
  tail(jobId: string, phase: string, limit: number): Promise<Uint8Array>;
}

export interface RecordedGap {
  /** How much was stored before it. */
  readonly offset: number;
  /** How much was stored after the line that tells of it. */
  readonly bytesSince: number;
}

export interface HostResults {
  readonly sequence: number;
  readonly final: boolean;
  /** With `final`: the results of the phase become the state of components, at that time. */
  readonly recordedAt?: string;
  readonly hosts: readonly Omit<HostResult, 'phase'>[];
}

/** How far the results of a phase were read: all of smaller sequences, and of this one up to the host. */
export interface HostCursor {
  readonly sequence: number;
  /** Absent: all of this sequence. */
  readonly host?: string;
}

export interface HostChanges extends Page<HostResult> {
  /** Of the last item; absent where there is none. */
  readonly end?: Required<HostCursor>;
}

export interface HostStore {
  /**
   * A row (job, phase, host) gives way only to a higher sequence. Sealed: fault `gone`. The first that is final makes all rows
   * of the phase final, and in that transaction, and in no other, the state of components, where the plan says so.
   */
  save(jobId: string, phase: string, results: HostResults): Promise<void>;
  /** By (phase position, host); `afterId` is `<phase>/<host>` of the last one. */
  list(jobId: string, page: PageRequest & { readonly phase?: string }): Promise<Page<HostResult>>;
  /** By (sequence, host), after that place. */
  changes(jobId: string, phase: string, after: HostCursor, limit: number): Promise<HostChanges>;
  summarize(jobId: string, phase: string): Promise<HostSummary>;
}

/** Inventories on their way into a job; gzip. Gone when the session ends. */
export interface StagedFileStore {
  save(jobId: string, name: string, gzip: Uint8Array): Promise<void>;
  read(jobId: string): Promise<Readonly<Record<string, Uint8Array>>>;
  remove(jobId: string): Promise<void>;
}

/** What a session made outside the database, noted before it is made. */
export interface ResourceStore {
  note(jobId: string, kind: string, key: string): Promise<void>;
  list(jobId: string): Promise<readonly { readonly kind: string; readonly key: string }[]>;
  remove(jobId: string, kind: string, key: string): Promise<void>;
}

/** Places for running sessions: first come, first served. */
export interface AdmissionStore {
  /** Gives places that are free to the first of the queue; as every end of a session does by itself. */
  admit(at: string): Promise<void>;
  /** Job id → place in the queue, from 1. */
  places(): Promise<ReadonlyMap<string, number>>;
  countQueued(): Promise<number>;
}

/** What the sweeper asks, of sessions that are deleted too. */
export interface SweepStore {
  /** Not complete, and known to Temporal; by job id, and so is `afterId`. */
  listUnfinished(page: PageRequest): Promise<Page<Session>>;
  /** Complete sessions with staged files or noted resources. */
  listLeftovers(
    limit: number,
  ): Promise<readonly { readonly jobId: string; readonly name: string }[]>;
  /** The id of the Temporal namespace that this deployment belongs to: the first that was told, until it is rebound. */
  bindTemporal(namespaceId: string): Promise<string>;
  rebindTemporal(namespaceId: string): Promise<void>;
  /** By the one clock that all machines share, ISO: one that is hours ahead must not take the others for silent. */
  clock(): Promise<string>;
  /** A machine's worker lives, at the time of `clock`. Where it was silent for minutes, all count as seen: nobody could be heard meanwhile. */
  seeMachine(machine: string, at: string): Promise<void>;
  /** Machine → when its worker was last seen, or could have been at the earliest. */
  listMachines(): Promise<ReadonlyMap<string, string>>;
  /** After a restore: no session that is not complete may launch a job any more. The names of those that could. */
  attachOnly(): Promise<readonly string[]>;
}

/** Each call is one short transaction, to be repeated until nothing is left to do. */
export interface RetentionStore {
  /** Hides some of the complete sessions that ended by then, as a delete at `at` does. How many; 0: none is left. */
  expireSessions(endedUntil: string, at: string): Promise<number>;
  /** Removes some of what is stored of sessions that had ended and were deleted by then. How many rows; 0: none is left. */
  removeDeleted(until: string): Promise<number>;
  /** What all logs take, compressed. */
  logStoreBytes(): Promise<number>;
  /** Removes some of the log of the complete session that ended first; a line with the reason stays. False: none has a log. */
  removeOldestLog(reason: string): Promise<boolean>;
  /** Gives some of the room that removed rows have left back to the disk, where it is much. How many bytes; 0: it is not. */
  shrink(): Promise<number>;
}

export type { Desired, Dispatched };
