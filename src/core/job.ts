import type { PinnedRepository } from './configuration.js';
import type { TargetDefinition } from './session.js';

/** One command of a job, with its own log and exit code. Exactly what `job/` reads, in snake_case, from `job.json`. */
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
  /** As asked for, split as Ansible splits it; empty = no limit. */
  readonly limit: string;
  /** Hosts of the limit that have this layer already, which a retry leaves out. */
  readonly doneHosts?: readonly string[];
  /** 0 to 4 */
  readonly verbosity: number;
  /** As asked for; `job/` splits it into shell words. */
  readonly passthrough: string;
  /** How long the phase is held for debugging when it fails; 0 = not at all. */
  readonly debugWaitSeconds: number;
  /** The same where a hold was asked for only while the job ran: the job asks the API when the phase has failed. */
  readonly holdWaitSeconds: number;
  /** After how long a host of which nothing is heard in one task is told of; 0 = never. */
  readonly hostSilentSeconds: number;
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
  /** For the log alone: that nothing is changed is up to the passthrough of its phases. */
  readonly checkMode?: true;
  readonly graceSeconds: number;
  readonly reportWaitSeconds: number;
  /** How long a pod may wait for its start; 0 = for ever. */
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
 * How a phase ended of which the platform `seen`, and the job `told` once nothing of the phase ran any more. The platform has
 * the last word, unless it lost sight: then the job has it. But not for a success after which more was to run, as nobody knows
 * whether that began. Nor for a signal, where the platform says that it took the node away: the job knows not who sent it.
 */
export function settleResult(
  seen: PhaseResult,
  told: PhaseResult | undefined,
  isLast: boolean,
): PhaseResult {
  const isLost = seen.kind === 'killed' && (seen.reason === 'lost' || seen.reason === 'evicted');
  if (!isLost || told === undefined) return seen;
  if (seen.reason === 'evicted' && told.kind === 'killed' && told.reason === 'stopped') return seen;
  return isLast || !isSuccess(told) ? told : seen;
}

/** Exit codes by which the programs of `job/` name their reason; Ansible's own (1 to 5, 250) mean what Ansible says. */
export const EXIT = {
  /** Repository unreachable, or refused us. */
  gitClone: 70,
  /** Reached, but the commit is not in it. */
  gitRef: 71,
  /** Ansible cannot read the inventory. */
  inventory: 72,
  /** Ansible could not be started as asked (missing playbook, bad passthrough). */
  playbook: 73,
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
  /** The play was cut short on this host by a failure elsewhere. */
  readonly incomplete: boolean;
  /** The last task that failed, and its message (at most 1 KiB, redacted). */
  readonly task?: string;
  readonly message?: string;
}
