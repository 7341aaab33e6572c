import type { Reason } from '../../core/errors.js';
import type { PatchedRecord } from '../../core/session-patch.js';
import type {
  Artifact,
  Dispatched,
  DoneWork,
  Outcome,
  Session,
  SessionRequest,
  SessionState,
  Snapshot,
  Succeeded,
  Wait,
} from '../../core/session.js';
import type { Page, PageRequest } from '../database/page.js';

/** Session records. The rules of each write are in ARCHITECTURE.md, "The session record". Times are ISO strings. */
export interface SessionStore {
  /** Emits `wish`. A name that another record has, which is not deleted, is fault `conflict` with the API's title. */
  insert(session: NewSession): Promise<Session>;
  /** Finds by name a session that is not deleted. */
  find(name: string): Promise<Session | undefined>;
  /** Finds by job id, also a session that is deleted. */
  get(jobId: string): Promise<Session | undefined>;
  /** Those that are not deleted, by name. They come without `snapshot` and `done`, which only `find` and `get` read. */
  list(filter: SessionFilter, page: PageRequest): Promise<Page<Session>>;
  /**
   * Raises `desired` to `cancel`. A session that is pending and unclaimed is then complete at once, as CANCELLED; one that was
   * cancelled before stays as it is. One that is complete, or in teardown, is fault `conflict`; no such name is `missing`.
   */
  requestCancel(name: string, wish: CancelWish): Promise<Session>;
  /**
   * Sets `debugOnFailure` of the request; a repeat changes nothing. One that is complete or cancelled, in teardown, run by an
   * operator outside, or would be held for no time is fault `conflict`; no such name is `missing`.
   */
  requestHold(name: string): Promise<Session>;
  /** Hides the record, so that its name is free again. No such name is fault `missing`. Of several at once one succeeds. */
  requestDelete(name: string, wish: CancelWish): Promise<void>;
  /**
   * Like `requestDelete` for all that match, a thousand in a transaction. Returns the names that this call deleted, sorted;
   * each is reported to one caller only.
   */
  deleteMany(filter: SessionFilter, wish: CancelWish): Promise<readonly string[]>;
  /**
   * Stores what `decide` makes of the record. State, outcome and times change only in a session that an operator outside runs.
   * No such name is fault `missing`.
   */
  patch(name: string, decide: (session: Session) => PatchedRecord): Promise<Session>;
  /**
   * Notes a cancel that came to the workflow: `desired` rises to `cancel` where the record is not complete, and who cancelled,
   * and why, is stored where it is not known yet.
   */
  noteCancel(jobId: string, wish: CancelWish): Promise<Session>;
  /**
   * Sets the time of the claim, the machine, and a place or a place in the queue (option `max_running_sessions`): each once, and
   * only while the record is not complete. Returns the record as it then is.
   */
  claim(jobId: string, claim: NewClaim): Promise<Session>;
  /** Stores the snapshot once. A repeat returns the one that is stored. */
  saveSnapshot(jobId: string, snapshot: Snapshot): Promise<Snapshot>;
  /** Makes a pending session running. False: it was stopped, or is no longer wanted. A repeat is true again. */
  markRunning(jobId: string): Promise<boolean>;
  /**
   * The fence: once this is recorded, this incarnation may run, and no other ever. Not won: the session was launched or stopped
   * before, is no longer wanted, may only be attached to, or belongs to another machine by now.
   */
  recordLaunch(
    jobId: string,
    launch: NewLaunch,
  ): Promise<{ readonly won: boolean; readonly session: Session }>;
  /**
   * Records that this incarnation runs or ran, where a restored database is older than the launch. Changes nothing where one is
   * recorded, or where the session is complete. Returns the record as it then is.
   */
  recordAttach(jobId: string, attach: NewLaunch): Promise<Session>;
  /**
   * Takes a session that has launched nothing away from its machine, which can launch nothing for it from then on. The next
   * claim gives it to another. False: it was launched or stopped, may not be launched, or is not that machine's.
   */
  unclaim(jobId: string, machine: string): Promise<boolean>;
  /** Recorded once. From then on nothing may be launched. */
  recordStop(jobId: string, at: string): Promise<void>;
  /**
   * Records that the images of a success are being packaged: once, and only where `desired` is `run`. From then on a cancel is
   * too late. False: the session was cancelled before.
   */
  recordTeardown(jobId: string, at: string): Promise<boolean>;
  /** The IMS job of an image session; of several, that of the first image. */
  recordImsJob(jobId: string, imsJob: string): Promise<void>;
  /** Adds the artifact of one image. A repeat changes nothing. */
  addArtifact(jobId: string, artifact: Artifact): Promise<void>;
  /**
   * Records what the session waits for; the next step or phase forgets it. No effect on a session that is complete, nor, once
   * the job is launched, for another phase than the one that runs.
   */
  recordWait(jobId: string, wait: Wait): Promise<void>;
  /** Forgets that wait. No effect where another one was recorded since. */
  recordWaitEnd(jobId: string, wait: Wait): Promise<void>;
  /**
   * Completes the session, once. Phases that are not sealed are sealed as skipped, and the place that becomes free goes to the
   * first of the queue. False: the session was complete before.
   */
  recordOutcome(jobId: string, outcome: Outcome, at: string): Promise<boolean>;
  /**
   * Takes sessions that are not complete and whose wish Temporal does not have yet: `run` that is not `started`, or a higher
   * wish that is not `cancelled`. They are leased to this caller until `leaseUntil`; leases that are over at `now` are free.
   */
  takeWishes(take: {
    readonly now: string;
    readonly leaseUntil: string;
    readonly limit: number;
  }): Promise<readonly Session[]>;
  /** Stores what Temporal has acknowledged, which never goes back; with `toldOf`, the `admittedAt` that was told, the admission too. Ends the lease. */
  recordDispatched(
    jobId: string,
    dispatched: Dispatched,
    admission?: { readonly toldOf: string | undefined },
  ): Promise<void>;
  /** For when Temporal did not answer: ends the lease at `at`. */
  returnWish(jobId: string, at: string): Promise<void>;
  /** The earliest moment at which a wish may be taken. Undefined where none waits. */
  nextWishAt(): Promise<string | undefined>;
  /** How many wishes wait, for health and metrics. */
  countWishes(): Promise<number>;
  /** How many sessions are not complete, and not deleted. */
  countOpen(): Promise<{ readonly pending: number; readonly running: number }>;
  /** How many sessions are complete, and not deleted, by how they ended. Counts in pieces, so that there may be a million. */
  countComplete(): Promise<readonly SessionCount[]>;
}

export interface NewSession {
  readonly jobId: string;
  readonly request: SessionRequest;
  readonly createdAt: string;
  /** For an operator outside: never a wish. */
  readonly external?: boolean;
  readonly done?: DoneWork;
  /** Where it is fixed already what the session runs. */
  readonly snapshot?: Snapshot;
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

export interface NewClaim {
  readonly at: string;
  /** The machine that is to run the job. Absent where jobs live on no machine of ours. */
  readonly machine?: string;
}

export interface NewLaunch extends NewClaim {
  /** What may run: the id that the runner gave to this one object. */
  readonly incarnation: string;
}
