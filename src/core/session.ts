import type { Reason } from './errors.js';
import type { PinnedLayer, PinnedRepository } from './configuration.js';
import type { Options, TimeLimits } from './options.js';

export type TargetDefinition = 'dynamic' | 'spec' | 'repo' | 'image';

export interface TargetGroup {
  readonly name: string;
  readonly members: readonly string[];
}

export interface ImageMapEntry {
  readonly sourceId: string;
  readonly resultName: string;
}

/** `groups` and `imageMap` are absent if the request had none; a given empty list stays empty. */
export interface Target {
  readonly definition: TargetDefinition;
  readonly groups?: readonly TargetGroup[];
  readonly imageMap?: readonly ImageMapEntry[];
}

/** Of a limit. Enough for 35,000 xnames. The Secret that holds the plan of a pod takes 1 MiB. */
export const MAX_LIMIT_CHARACTERS = 500_000;

/** What was requested. After the insert only `debugOnFailure` may change: it can be set while the session runs. */
export interface SessionRequest {
  readonly name: string;
  readonly configurationName: string;
  readonly configurationLimit: string;
  /** Absent if a v2 request gave none; answers then have null. */
  readonly ansibleLimit?: string;
  /** The limit names hosts: a group of such a name is not meant. */
  readonly limitNamesHosts?: true;
  readonly ansibleConfig: string;
  readonly ansibleVerbosity: number;
  /** As given; the job splits it into shell words. Absent if a v2 request gave none. */
  readonly ansiblePassthrough?: string;
  readonly target: Target;
  readonly tags: Readonly<Record<string, string>>;
  readonly debugOnFailure: boolean;
  /** Ansible only reports what it would change; see `toCheck`. */
  readonly checkMode?: true;
  /** Name of the session that this one retries. */
  readonly retryOf?: string;
  /** Name of the check that this session applies. Its snapshot was stored at the insert. */
  readonly applyOf?: string;
}

/** A layer as it was run, with the default playbook filled in. */
export interface DoneLayer {
  readonly url: string;
  readonly commit: string;
  readonly playbook: string;
}

/** The part of a retry's work that earlier sessions have done, as it was known when the retry was posted. */
export interface DoneWork {
  /** The session's first layers, which succeeded. */
  readonly layers: readonly DoneLayer[];
  /** The additional inventory at that time; its variables are part of what was done. */
  readonly inventory?: Pick<PinnedRepository, 'url' | 'commit'>;
  /** The next layer, if some hosts completed it. */
  readonly partial?: { readonly layer: DoneLayer; readonly hosts: readonly string[] };
}

export type SessionState = 'pending' | 'running' | 'complete';
export type Succeeded = 'none' | 'true' | 'false' | 'unknown';
/** The wish for a session. It only rises, in this order. */
export type Desired = 'run' | 'cancel' | 'delete';
/** How much of the wish Temporal has acknowledged. */
export type Dispatched = 'none' | 'started' | 'cancelled';

/** How a session ended. `reason` is absent on a plain success. */
export interface Outcome {
  readonly succeeded: Exclude<Succeeded, 'none'>;
  readonly reason?: Reason;
  /** One line, at most 300 characters: what failed, on what, what to do next. */
  readonly message?: string;
  readonly phase?: string;
  readonly host?: string;
  readonly task?: string;
}

export interface Artifact {
  readonly imageId: string;
  readonly resultId: string;
  readonly type: 'ims_customized_image';
}

/** What a PATCH sets below `status`, with the names of v3. */
export interface SessionPatch {
  readonly artifacts?: readonly Readonly<Record<string, unknown>>[];
  readonly session?: Readonly<Record<string, unknown>>;
}

/** What PATCHes have set so far. Answers show it instead of what we know about the same members. */
export type Patched = SessionPatch;

/** Something that a session waits for and that is not its own work. */
export interface Wait {
  readonly since: string;
  /** One line: what it waits for, why, and until when. */
  readonly message: string;
  /** The phase whose work waits, if known. */
  readonly phase?: string;
}

/** How a run of the workflow ended, if that did not reach the record: the database was restored, or lost its last moments. */
export interface KnownEnd {
  readonly runId: string;
  readonly outcome: Outcome;
  /** The images that were made, if there are any. */
  readonly artifacts?: readonly Artifact[];
}

/** The record as read; every time is an ISO string with zone `Z`. */
export interface Session {
  readonly jobId: string;
  readonly name: string;
  readonly request: SessionRequest;
  /** Only in retries. Lists do not contain it. */
  readonly done?: DoneWork;
  readonly createdAt: string;
  readonly desired: Desired;
  readonly cancelBy?: string;
  readonly cancelReason?: string;
  readonly deletedAt?: string;
  readonly dispatched: Dispatched;
  readonly attachOnly: boolean;
  readonly knownEnd?: KnownEnd;
  /** Created under RUNNER=none: an external operator runs it, and Temporal never hears of it. */
  readonly external: boolean;
  readonly state: SessionState;
  readonly claimedAt?: string;
  /** When it began to wait for a place, because every place was taken when it was claimed. */
  readonly queuedAt?: string;
  readonly admittedAt?: string;
  /** It has been admitted, and its workflow has not been told yet. */
  readonly admissionDue: boolean;
  /** Job id of the session that it waits for, because both name a host (option `host_locks`). */
  readonly waitsFor?: string;
  /** UUID of the machine that runs it; local runner only. */
  readonly machine?: string;
  readonly snapshot?: Snapshot;
  readonly launchedAt?: string;
  readonly incarnation?: string;
  readonly stoppedAt?: string;
  readonly teardownAt?: string;
  readonly outcome?: Outcome;
  readonly completedAt?: string;
  /** The current phase, or the last one that ran. */
  readonly phase?: string;
  /** What a step or a phase reports that it waits for. Waits that follow from the rest of the record are not stored here. */
  readonly waiting?: Wait;
  readonly imsJob?: string;
  readonly artifacts: readonly Artifact[];
  readonly patched?: Patched;
}

/** What a session runs, fixed when it starts: later changes of configuration or options do not touch it. */
export interface Snapshot {
  readonly configurationName: string;
  /** Those that `configurationLimit` selects, in the configuration's order. */
  readonly layers: readonly PinnedLayer[];
  /** What a retry leaves out, because it was done and has not changed. */
  readonly leftOut?: LeftOut;
  readonly additionalInventory?: PinnedRepository;
  /** Whether any layer of the whole configuration asks for DKMS. IMS is told so. */
  readonly requireDkms?: boolean;
  /** The tenant that the configuration belongs to, if it belongs to one. */
  readonly tenant?: string;
  /** A built-in debug playbook instead of layers, by name: `noop`, `facts`, `fail`. */
  readonly debugPlaybook?: string;
  readonly options: Pick<Options, 'debugWaitTime' | 'defaultPlaybook'>;
  readonly limits: TimeLimits;
  /** Made when the job had perhaps begun, because a restored record lacked it: the job may have taken other commits. */
  readonly isGuess?: true;
}

export interface LeftOut {
  /** How many of the first layers are left out. */
  readonly layers: number;
  /** Whether the next layer leaves out the hosts that have it already. */
  readonly hosts: boolean;
}

/**
 * Whether what the playbooks do lasts, so that it becomes state of components and need not be done
 * again. It does if they run as they are, without passthrough, and on nodes instead of images.
 */
export function isKept({
  target,
  ansiblePassthrough = '',
}: Pick<SessionRequest, 'target' | 'ansiblePassthrough'>): boolean {
  return target.definition !== 'image' && ansiblePassthrough === '';
}

/** What a workflow has to do when it starts. A session may have had workflows before: see ARCHITECTURE.md, "The sweep". */
export type Claim =
  | { readonly kind: 'go' }
  /** The job was launched before, or may not be launched any more: watch it, if there is one. */
  | { readonly kind: 'attach' }
  /** The session is no longer wanted, or was stopped already: stop the job, if there is one, and record how it ended. */
  | { readonly kind: 'stop' }
  | { readonly kind: 'complete'; readonly outcome: Outcome };

export function decideClaim(
  session: Pick<
    Session,
    'state' | 'outcome' | 'desired' | 'stoppedAt' | 'launchedAt' | 'attachOnly'
  >,
): Claim {
  if (session.state === 'complete')
    return { kind: 'complete', outcome: session.outcome ?? { succeeded: 'unknown' } };
  if (session.desired !== 'run' || session.stoppedAt !== undefined) return { kind: 'stop' };
  return session.launchedAt === undefined && !session.attachOnly
    ? { kind: 'go' }
    : { kind: 'attach' };
}
