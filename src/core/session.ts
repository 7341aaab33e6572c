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

/** `groups` and `imageMap` are absent where the request had none; a given empty list stays empty. */
export interface Target {
  readonly definition: TargetDefinition;
  readonly groups?: readonly TargetGroup[];
  readonly imageMap?: readonly ImageMapEntry[];
}

/** What was asked for; never changed after the insert. */
export interface SessionRequest {
  readonly name: string;
  readonly configurationName: string;
  readonly configurationLimit: string;
  /** Absent where a request of v2 gave none; answers then have null. */
  readonly ansibleLimit?: string;
  readonly ansibleConfig: string;
  readonly ansibleVerbosity: number;
  /** As given; the job splits it into shell words. Absent where a request of v2 gave none. */
  readonly ansiblePassthrough?: string;
  readonly target: Target;
  readonly tags: Readonly<Record<string, string>>;
  readonly debugOnFailure: boolean;
  /** Ansible only tells what it would change; see `toCheck`. */
  readonly checkMode?: true;
  /** Name of the session that this one was to retry. */
  readonly retryOf?: string;
  /** Name of the check that this one applies. Its snapshot was there from the start. */
  readonly applyOf?: string;
}

/** A layer as it was run, with the default playbook filled in. */
export interface DoneLayer {
  readonly url: string;
  readonly commit: string;
  readonly playbook: string;
}

/** What earlier sessions have done of what a retry is asked for, as it was known when the retry was posted. */
export interface DoneWork {
  /** The first of the session's layers: they ended well. */
  readonly layers: readonly DoneLayer[];
  /** What was the additional inventory then; its variables are part of what was done. */
  readonly inventory?: Pick<PinnedRepository, 'url' | 'commit'>;
  /** The layer after them, where some hosts got through it. */
  readonly partial?: { readonly layer: DoneLayer; readonly hosts: readonly string[] };
}

export type SessionState = 'pending' | 'running' | 'complete';
export type Succeeded = 'none' | 'true' | 'false' | 'unknown';
/** What is wished of a session. It only rises, in this order. */
export type Desired = 'run' | 'cancel' | 'delete';
/** What Temporal has acknowledged of the wish. */
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

/** What a PATCH sets below `status`, by the names of v3. */
export interface SessionPatch {
  readonly artifacts?: readonly Readonly<Record<string, unknown>>[];
  readonly session?: Readonly<Record<string, unknown>>;
}

/** What PATCHes have set so far. Answers show it instead of what we know of the same members. */
export type Patched = SessionPatch;

/** Something that is not the session's own work, and that it waits for. */
export interface Wait {
  readonly since: string;
  /** One line: for what, why, and until when. */
  readonly message: string;
  /** The phase whose work waits, where that is known. */
  readonly phase?: string;
}

/** The record as read; every time is an ISO string with zone `Z`. */
export interface Session {
  readonly jobId: string;
  readonly name: string;
  readonly request: SessionRequest;
  /** Of a retry alone. Lists come without it. */
  readonly done?: DoneWork;
  readonly createdAt: string;
  readonly desired: Desired;
  readonly cancelBy?: string;
  readonly cancelReason?: string;
  readonly deletedAt?: string;
  readonly dispatched: Dispatched;
  readonly attachOnly: boolean;
  /** Made under RUNNER=none: an operator outside of this service runs it, and Temporal never hears of it. */
  readonly external: boolean;
  readonly state: SessionState;
  readonly claimedAt?: string;
  /** When it began to wait for a place, because every place was taken when it was claimed. */
  readonly queuedAt?: string;
  readonly admittedAt?: string;
  /** It has got a place, and its workflow has not been told yet. */
  readonly admissionDue: boolean;
  /** Job id of the session that it waits for, which has hosts of its own (option `host_locks`). */
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
  /** The phase that runs or ran last. */
  readonly phase?: string;
  /** What a step or a phase says that it waits for. Waits that follow from the rest of the record are not kept here. */
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
  /** What a retry does not do again, because it is done and the same. */
  readonly leftOut?: LeftOut;
  readonly additionalInventory?: PinnedRepository;
  /** Whether any layer of the whole configuration asks for DKMS, which IMS is then told. */
  readonly requireDkms?: boolean;
  /** The tenant that the configuration belongs to, if it belongs to one. */
  readonly tenant?: string;
  /** A built-in debug playbook instead of layers, by name: `noop`, `facts`, `fail`. */
  readonly debugPlaybook?: string;
  readonly options: Pick<Options, 'debugWaitTime' | 'defaultPlaybook'>;
  readonly limits: TimeLimits;
}

export interface LeftOut {
  /** So many of the first layers. */
  readonly layers: number;
  /** Whether the layer after them leaves out the hosts that have it. */
  readonly hosts: boolean;
}

/**
 * Whether the playbooks run as they are, and on nodes that keep what they do: then that is state of components, and need not
 * be done again.
 */
export function isKept({
  target,
  ansiblePassthrough = '',
}: Pick<SessionRequest, 'target' | 'ansiblePassthrough'>): boolean {
  return target.definition !== 'image' && ansiblePassthrough === '';
}

/** What a workflow that starts has to do. A session may have had workflows before: see ARCHITECTURE.md, "The sweep". */
export type Claim =
  | { readonly kind: 'go' }
  /** It was launched before, or may not be launched any more: watch the job, if there is one. */
  | { readonly kind: 'attach' }
  /** It is no longer wanted, or was stopped already: stop the job, if there is one, and tell how it ended. */
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
