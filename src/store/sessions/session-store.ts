import type { Reason } from '../../core/errors.js';
import type { PatchedRecord } from '../../core/session-patch.js';
import type {
  Artifact,
  Dispatched,
  DoneWork,
  KnownEnd,
  Outcome,
  Session,
  SessionRequest,
  SessionState,
  Snapshot,
  Succeeded,
  Wait,
} from '../../core/session.js';
import type { Page, PageRequest } from '../database/page.js';

/** Session records. ARCHITECTURE.md, "The session record", has the rules of each column. Times are ISO strings. */
export interface SessionStore {
  /** Emits `wish`. Throws fault `conflict`, with the API's title, if a record that is not deleted has the name. */
  insert(session: NewSession): Promise<Session>;
  /** Finds a session that is not deleted. */
  find(name: string): Promise<Session | undefined>;
  /** Also finds a deleted session. */
  get(jobId: string): Promise<Session | undefined>;
  /**
   * Sessions that are not deleted, in order of names, without `snapshot` and `done`, which only `find` and `get` read, and
   * without large requests.
   */
  list(filter: SessionFilter, page: PageRequest): Promise<Page<ListedSession>>;
  /**
   * Reads the large requests of listed sessions, and yields the sessions part by part, of which each needs a few megabytes.
   * Leaves out those whose record was removed since.
   */
  readRequests(sessions: readonly ListedSession[]): AsyncIterable<readonly Session[]>;
  /**
   * Raises `desired` to `cancel`. A pending session that is unclaimed becomes complete at once, as CANCELLED, unless its record
   * was restored and may lack a job that runs. One that is cancelled already stays as it is. Throws fault `conflict` if the
   * session is complete or in teardown, and `missing` if there is no such name.
   */
  requestCancel(name: string, wish: CancelWish): Promise<Session>;
  /**
   * Sets `debugOnFailure` of the request; a repeat changes nothing. Throws fault `conflict` if the session is complete,
   * cancelled, in teardown or external, or if `debug_wait_time` was 0 when it started, and `missing` if there is no such
   * name.
   */
  requestHold(name: string): Promise<Session>;
  /** Hides the record and frees its name. Throws fault `missing` if no record has it: of concurrent calls, all but one. */
  requestDelete(name: string, wish: CancelWish): Promise<void>;
  /** Like `requestDelete`, but a session that is not pending counts as `missing` too. */
  requestDeletePending(name: string, wish: CancelWish): Promise<void>;
  /**
   * Like `requestDelete`, for all sessions that match, in several transactions. Returns the names that this call deleted,
   * sorted; each name is reported to one caller only.
   */
  deleteMany(filter: SessionFilter, wish: CancelWish): Promise<readonly string[]>;
  /**
   * Stores what `decide` returns for the record. Changes state, outcome and times only in an external session. Throws fault
   * `missing` if there is no such name.
   */
  patch(name: string, decide: (session: Session) => PatchedRecord): Promise<Session>;
  /**
   * Notes a cancel that reached the workflow: raises `desired` to `cancel` unless the session is complete or in teardown, and
   * stores who cancelled and why unless that is known.
   */
  noteCancel(jobId: string, wish: CancelWish): Promise<Session>;
  /**
   * Sets the time of the claim, the machine, and either a place or a position in the queue (option `max_running_sessions`).
   * Each is set once, and only while the record is not complete. Returns the resulting record.
   */
  claim(jobId: string, claim: NewClaim): Promise<Session>;
  /** Stores the snapshot once. A repeat returns the stored one. */
  saveSnapshot(jobId: string, snapshot: Snapshot): Promise<Snapshot>;
  /** Makes a pending session running; a repeat returns true too. False if it was stopped or is no longer wanted. */
  markRunning(jobId: string): Promise<boolean>;
  /**
   * The fence: once this is recorded, this incarnation may run as the job, and no other ever. `won` is false if the session
   * was launched or stopped before, is no longer wanted, waits for hosts, may only be attached to, or belongs to another
   * machine by now.
   */
  recordLaunch(
    jobId: string,
    launch: NewLaunch,
  ): Promise<{ readonly won: boolean; readonly session: Session }>;
  /**
   * Records that this incarnation runs or ran, if a restored database is older than the launch. Changes nothing if an
   * incarnation is recorded or the session is complete. Returns the resulting record.
   */
  recordAttach(jobId: string, attach: NewLaunch): Promise<Session>;
  /**
   * Takes a session that was not launched away from its machine, which can then launch nothing for it. The next claim assigns
   * another machine. False if the session was launched or stopped, may not be launched, or belongs to another machine.
   */
  unclaim(jobId: string, machine: string): Promise<boolean>;
  /** Recorded once. From then on nothing may be launched. */
  recordStop(jobId: string, at: string): Promise<void>;
  /**
   * Records that the playbooks have succeeded and the images are being packaged: once, and only while `desired` is `run`.
   * From then on it is too late to cancel. False if the session was cancelled before.
   */
  recordTeardown(jobId: string, at: string): Promise<boolean>;
  /** The IMS job of an image session; if it has several images, the job of the first one. */
  recordImsJob(jobId: string, imsJob: string): Promise<void>;
  /** Adds the artifact of one image. A repeat changes nothing. */
  addArtifact(jobId: string, artifact: Artifact): Promise<void>;
  /**
   * Records what the session waits for; the next step or phase removes it. Has no effect on a complete session or, once the
   * job is launched, for a phase other than the current one.
   */
  recordWait(jobId: string, wait: Wait): Promise<void>;
  /** Removes that wait. Has no effect if another one was recorded since. */
  recordWaitEnd(jobId: string, wait: Wait): Promise<void>;
  /** Notes how a run of the workflow ended, unless the session is complete. It may not launch a job any more. */
  recordKnownEnd(jobId: string, end: KnownEnd): Promise<void>;
  /**
   * Completes the session, once. Seals open phases as skipped, and gives the place that becomes free to the first session of
   * the queue. False if the session was complete before.
   */
  recordOutcome(jobId: string, outcome: Outcome, at: string): Promise<boolean>;
  /**
   * Takes sessions that are not complete and whose wish Temporal has not got yet: `run` that is not `started`, a higher wish
   * that is not `cancelled`, or an admission that the workflow has not been told. They are leased to this caller until
   * `leaseUntil`; a lease that ended by `now` can be taken again.
   */
  takeWishes(take: {
    readonly now: string;
    readonly leaseUntil: string;
    readonly limit: number;
  }): Promise<readonly Session[]>;
  /** Stores what Temporal acknowledged, which never goes back, and which admission the workflow was told of. Ends the lease. */
  recordDispatched(
    jobId: string,
    dispatched: Dispatched,
    admission?: { readonly toldOf: string | undefined },
  ): Promise<void>;
  /** Ends the lease at `at`, because Temporal did not answer. */
  returnWish(jobId: string, at: string): Promise<void>;
  /** The earliest time at which a wish may be taken; undefined if there is no wish. */
  nextWishAt(): Promise<string | undefined>;
  /** The number of wishes that wait, for health and metrics. */
  countWishes(): Promise<number>;
  /** The number of sessions that are neither complete nor deleted. */
  countOpen(): Promise<{ readonly pending: number; readonly running: number }>;
  /** The number of complete sessions that are not deleted, by how they ended. Uses several queries: there may be a million. */
  countComplete(): Promise<readonly SessionCount[]>;
}

export interface NewSession {
  readonly jobId: string;
  readonly request: SessionRequest;
  readonly createdAt: string;
  /** An operator outside this service runs the session. It is never dispatched. */
  readonly external?: boolean;
  readonly done?: DoneWork;
  /** Given if what the session runs is already decided: it applies a check. */
  readonly snapshot?: Snapshot;
}

/** A session in a list whose request, and what was patched, are too large to be read for all sessions at once. */
export interface LargeSession extends Omit<Session, 'request' | 'patched'> {
  readonly request?: undefined;
  /** Size of what is not read. */
  readonly bytes: number;
}

export type ListedSession = Session | LargeSession;

/** All given filters hold; names compare by code point. */
export interface SessionFilter {
  readonly state?: SessionState;
  readonly succeeded?: Succeeded;
  readonly nameContains?: string;
  /** ISO times, both inclusive. */
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
  /** The machine that is to run the job. Absent if the runner starts jobs elsewhere (Kubernetes). */
  readonly machine?: string;
}

export interface NewLaunch extends NewClaim {
  /** The id that the runner gave to the one object that may run. */
  readonly incarnation: string;
}
