import type { PinnedRepository } from './configuration.js';
import type { TargetDefinition } from './session.js';

/** One command of a job, with its own log and exit code. `job/` reads exactly these members, in snake_case, from `job.json`. */
export type Phase = ClonePhase | CloneHostsPhase | InventoryPhase | AnsiblePhase;
export type PhaseKind = Phase['kind'];
/** `teardown` comes after the job, in image sessions only; the worker runs it. */
export type SessionPhaseKind = PhaseKind | 'teardown';

interface PhaseBase {
  /** `git-clone-0`, `git-clone-hosts`, `inventory`, `ansible-0`; unique in the job, safe as a file name. */
  readonly name: string;
  /** 0 = none. */
  readonly timeoutSeconds: number;
}

export interface ClonePhase extends PhaseBase {
  readonly kind: 'git-clone';
  readonly layer: number;
  readonly repository: PinnedRepository;
  /** Below the workspace: `layer<i>`. */
  readonly directory: string;
}

export interface CloneHostsPhase extends PhaseBase {
  readonly kind: 'git-clone-hosts';
  readonly repository: PinnedRepository;
  readonly directory: 'hosts';
}

export interface InventoryPhase extends PhaseBase {
  readonly kind: 'inventory';
  readonly definition: TargetDefinition;
}

export interface AnsiblePhase extends PhaseBase {
  readonly kind: 'ansible';
  /** Text of `LAYER_CURRENT`: the layer's index, or `_debug`. */
  readonly layer: string;
  /** Text of `LAYER_PREVIOUS`: empty for the first. */
  readonly previousLayer: string;
  /** Below the workspace: `layer<i>`; for a debug playbook it is not used. */
  readonly directory: string;
  readonly playbook: string;
  /** Text of `SESSION_CLONE_URL`; empty for a debug playbook. */
  readonly cloneUrl: string;
  /** As requested; Ansible splits it. Empty = no limit. */
  readonly limit: string;
  /** Whether a name in the limit stands for no group, so that the hosts of a group of that name are left alone. */
  readonly limitNamesHosts?: true;
  /** Hosts that have this layer already, which a retry leaves out. */
  readonly doneHosts?: readonly string[];
  /** 0 to 4 */
  readonly verbosity: number;
  /** As requested; `job/` splits it into shell words. */
  readonly passthrough: string;
  /** How long the phase is held for debugging when it fails; 0 = not at all. */
  readonly debugWaitSeconds: number;
  /** The same if the hold is requested only while the job runs. The job asks the API about it once the phase has failed. */
  readonly holdWaitSeconds: number;
  /** How long a host may be silent within one task before it is reported; 0 = for ever. */
  readonly hostSilentSeconds: number;
  /** How long a host may be silent within one task before it fails in it; 0 = for ever. */
  readonly hostSilentLimitSeconds: number;
  /** Whether results may count as component state (not for images, passthrough and debug playbooks). */
  readonly recordsState: boolean;
}

/** Everything that a runner needs to run a session, except files and secrets. */
export interface Job {
  readonly jobId: string;
  readonly sessionName: string;
  readonly configurationName: string;
  readonly inventoryType: TargetDefinition;
  readonly phases: readonly Phase[];
  /** Only for the log. What prevents changes is the passthrough of the phases. */
  readonly checkMode?: true;
  readonly graceSeconds: number;
  readonly reportWaitSeconds: number;
  /** How long a pod may wait to be started; 0 = for ever. */
  readonly podPendingSeconds: number;
}

/** How a phase ended. A failing playbook is a result; an error means that we could not find out. */
export type PhaseResult =
  | {
      readonly kind: 'exited';
      readonly exitCode: number;
      readonly startedAt: string;
      readonly endedAt: string;
    }
  | {
      readonly kind: 'killed';
      readonly reason: 'stopped' | 'timeout' | 'memory' | 'evicted' | 'lost';
      readonly startedAt?: string;
      readonly endedAt?: string;
      /** The platform's own words, if it evicted the job. */
      readonly message?: string;
    }
  | {
      readonly kind: 'unstarted';
      readonly reason: 'unschedulable' | 'image-pull' | 'config' | 'skipped';
      readonly message: string;
    };

export function isSuccess(result: PhaseResult): boolean {
  return result.kind === 'exited' && result.exitCode === 0;
}

/**
 * How a phase ended: `seen` by the platform, and `told` by the job once nothing of the phase ran
 * any more. The platform decides, unless it lost sight of the job; then the job decides, with two
 * exceptions. A success counts only for the last phase, because nobody knows whether the next one
 * began. A signal does not count after an eviction or at a deadline, because the job cannot know who sent it.
 */
export function settleResult(
  seen: PhaseResult,
  told: PhaseResult | undefined,
  isLast: boolean,
): PhaseResult {
  if (seen.kind !== 'killed' || told === undefined) return seen;
  if (!['lost', 'evicted', 'timeout'].includes(seen.reason)) return seen;
  if (seen.reason !== 'lost' && told.kind === 'killed' && told.reason === 'stopped') return seen;
  return isLast || !isSuccess(told) ? told : seen;
}

/** Exit codes with which the programs of `job/` give their reason. Ansible's own codes (1 to 5, 250) keep Ansible's meaning. */
export const EXIT = {
  /** There is no such repository, or it refused access. */
  gitClone: 70,
  /** Reached, but the commit is not in it. */
  gitRef: 71,
  /** Ansible cannot read the inventory. */
  inventory: 72,
  /** Ansible could not be started as asked (missing playbook, bad passthrough). */
  playbook: 73,
  /** The git server could not be reached within the limit. The reason is that of `gitClone`, but no host is to blame. */
  gitAway: 74,
  /** The disk is full: the output of the phase could not be kept. */
  diskFull: 78,
  /** A defect in the job itself. */
  internal: 79,
} as const;

/** How one phase went on one host, as the job reports it. */
export interface HostResult {
  readonly phase: string;
  readonly host: string;
  readonly ok: number;
  readonly changed: number;
  readonly failed: number;
  readonly skipped: number;
  readonly unreachable: number;
  /** The playbook was, or may have been, cut short for this host by a failure elsewhere. */
  readonly incomplete: boolean;
  /** The last task that failed, and its message (at most 1 KiB, redacted). */
  readonly task?: string;
  readonly message?: string;
}
