import type { PhaseOutline, PhaseReturn } from '../core/progress.js';
import type { Artifact, Outcome } from '../core/session.js';
import type { StepFailure } from '../core/step-failure.js';

export type ClaimResult =
  | { readonly kind: 'complete'; readonly outcome: Outcome }
  | {
      readonly kind: 'go' | 'attach' | 'stop';
      /** Whether an incarnation may be running or have run. */
      readonly launched: boolean;
      readonly sessionName: string;
      readonly configurationName: string;
      /** Set if every place is taken: wait to be admitted. */
      readonly queue?: QueuePlace;
      /** What the session makes in IMS must be undone, including what an earlier run left there. Absent if it makes nothing. */
      readonly customizesImages?: true;
      /** Task queue on which the job is watched: that of its machine, or that of all workers that can reach it. */
      readonly machineQueue?: string;
      /** The machine's queue for launch and stop, which must not wait behind observers. Absent if any worker can do both. */
      readonly controlQueue?: string;
    };

/** As of the claim; sessions that were ahead may be gone since. */
export interface QueuePlace {
  readonly place: number;
  /** How many sessions may run at once. */
  readonly limit: number;
}

export interface HostWait {
  readonly since: string;
  /** Which session it waits for, and for which hosts. */
  readonly message: string;
}

/** `waitingSince` is `since` of an earlier call's result. */
export interface InventoryInput extends JobInput {
  readonly waitingSince?: string;
}

export interface OutcomeInput extends JobInput {
  readonly failure?: StepFailure;
  /** What could not be undone. */
  readonly leftovers: readonly string[];
  /** How the workflow was cancelled. The record has it, unless the database was set back since. */
  readonly cancel?: Omit<CancelInput, 'jobId'>;
  /** Whether the workflow begins again if the record has lost how the job ended. */
  readonly mayBeginAgain?: true;
}

export interface RecordedOutcome extends Outcome {
  /** Absent if the session has made no image. */
  readonly artifacts?: readonly Artifact[];
}

export interface JobInput {
  readonly jobId: string;
}

export interface DiscardInput extends JobInput {
  /** Whether the workflow has seen the teardown end. Then the record has its result, unless the database was set back since. */
  readonly hasTeardownEnded?: true;
}

export interface ImageInput extends JobInput {
  readonly imageId: string;
}

export interface PhaseInput extends JobInput {
  readonly phase: string;
}

export interface CancelInput extends JobInput {
  readonly by?: string;
  readonly reason?: string;
}

/** What the record says at the time of a cancel. */
export interface CancelNote {
  readonly launched: boolean;
}

/** The steps and phases of a session, as the Web UI's timeline shows them. Each may be run twice. */
export interface Activities {
  readonly claimSession: (input: JobInput) => Promise<ClaimResult>;
  readonly resolveConfiguration: (
    input: JobInput,
  ) => Promise<{ readonly phases: readonly PhaseOutline[] }>;
  /** Has IMS open each image: the key, and one IMS job per image. If not `staged`, the session is no longer wanted. */
  readonly stageImages: (
    input: JobInput,
  ) => Promise<{ readonly staged: boolean; readonly imageIds: readonly string[] }>;
  /** Waits until the image answers over SSH. */
  readonly awaitImage: (input: ImageInput) => Promise<void>;
  /** Returns a wait if other sessions have its hosts. Call it again once the session is admitted. */
  readonly stageInventory: (input: InventoryInput) => Promise<HostWait | undefined>;
  readonly launchJob: (input: JobInput) => Promise<{ readonly launched: boolean }>;
  readonly gitClone: (input: PhaseInput) => Promise<PhaseReturn>;
  readonly gitCloneHosts: (input: PhaseInput) => Promise<PhaseReturn>;
  readonly inventory: (input: PhaseInput) => Promise<PhaseReturn>;
  readonly ansible: (input: PhaseInput) => Promise<PhaseReturn>;
  /** Has IMS package each image, and records what became of it. */
  readonly teardown: (input: PhaseInput) => Promise<PhaseReturn>;
  readonly noteCancel: (input: CancelInput) => Promise<CancelNote>;
  readonly stopJob: (input: JobInput) => Promise<void>;
  /** Undo: removes the IMS jobs of the session, and images that are not among its artifacts. */
  readonly discardImages: (input: DiscardInput) => Promise<void>;
  readonly removeImageKey: (input: JobInput) => Promise<void>;
  readonly removeStagedFiles: (input: JobInput) => Promise<void>;
  readonly recordOutcome: (input: OutcomeInput) => Promise<RecordedOutcome>;
}
