import {
  EXIT,
  isSuccess,
  type HostResult,
  type PhaseResult,
  type SessionPhaseKind,
} from './job.js';
import type { Reason } from './errors.js';
import { toMessage } from './message.js';
import type { Outcome } from './session.js';
import { LOOK_FIRST, toCancelled, type Cancellation } from './session-end.js';

/** How one phase of a session ended, with what is known besides its exit code. */
export interface PhaseEnd {
  readonly name: string;
  readonly kind: SessionPhaseKind;
  /** For messages: the repository or playbook. */
  readonly subject: string;
  readonly result: PhaseResult;
  readonly hosts: HostSummary;
  /** The last results of this playbook never arrived: `hosts` may lack some hosts, or all. */
  readonly lacksResults?: true;
  /** It was run again in a hold, with other files than those of the recorded commit. */
  readonly filesChanged?: true;
  /** Of the inventory: names in the limit that it does not have, or not as a host. */
  readonly missing?: readonly string[];
  /** The phase's last line of output that begins with `ERROR`; for the message only, never for the verdict. */
  readonly errorLine?: string;
  readonly timeoutSeconds: number;
}

export interface HostSummary {
  /** Hosts that ran a task, or should have but were unreachable. */
  readonly hosts: number;
  readonly failedHosts: number;
  readonly unreachableHosts: number;
  readonly firstFailed?: HostResult;
  readonly firstUnreachable?: HostResult;
}

/**
 * The verdict on a job: the first phase that did not exit with 0 decides. If all exited with 0 the session succeeded,
 * even if it was cancelled meanwhile. `ends` are in the job's order; phases that never began may be missing.
 */
export function toOutcome(ends: readonly PhaseEnd[], cancellation?: Cancellation): Outcome {
  const failed = ends.find(({ result }) => !isSuccess(result));
  if (failed !== undefined) return toFailure(failed, cancellation);
  const playbooks = ends.filter(({ kind }) => kind === 'ansible');
  const lacking = playbooks.filter(({ lacksResults }) => lacksResults);
  if (lacking.length > 0) return { succeeded: 'true', message: toLackMessage(lacking) };
  const changed = playbooks.filter(({ filesChanged }) => filesChanged);
  if (changed.length > 0) return { succeeded: 'true', message: toChangeMessage(changed) };
  const missing = ends.flatMap((end) => end.missing ?? []);
  if (playbooks.some(({ hosts }) => hosts.hosts > 0))
    return { succeeded: 'true', ...(missing.length > 0 ? { message: toMissing(missing) } : {}) };
  return {
    succeeded: 'true',
    reason: 'NO_HOSTS',
    message: toMessage(
      playbooks.length === 0
        ? 'The configuration has no layer, so nothing ran.'
        : 'No host ran a task: no play of any layer matches a host of the inventory, or those that do have no task to run.',
    ),
  };
}

function toLackMessage(lacking: readonly PhaseEnd[]): string {
  const names = lacking.map(({ name }) => name);
  return toMessage(
    `Every phase exited 0, but it is not known on which hosts: results did not reach the API and were lost with the end of the log (${names.join(', ')}). No component has them.`,
  );
}

const MAX_SHOWN = 5;

function toMissing(names: readonly string[]): string {
  const more = names.length > MAX_SHOWN ? ` and ${names.length - MAX_SHOWN} more` : '';
  return toMessage(
    `Left out, because the inventory has no host of that name: ${names.slice(0, MAX_SHOWN).join(', ')}${more}.`,
  );
}

function toChangeMessage(changed: readonly PhaseEnd[]): string {
  const names = changed.map(({ name, subject }) => `${name} (${subject})`);
  return toMessage(
    `Run again in a hold, with files that are not those of the recorded commit: ${names.join(', ')}. The log of the phase says which. No component counts as having that commit.`,
  );
}

function toFailure(end: PhaseEnd, cancellation: Cancellation | undefined): Outcome {
  const { result } = end;
  switch (result.kind) {
    case 'exited':
      return toExitFailure(end, result.exitCode);
    case 'killed':
      return toKillFailure(end, result, cancellation);
    case 'unstarted':
      if (result.reason === 'skipped') return toCancelled(cancellation, end.name);
      return fail(
        end,
        unstartedReasons[result.reason],
        `${end.name} could not start: ${result.message}`,
      );
  }
}

const unstartedReasons = {
  unschedulable: 'UNSCHEDULABLE',
  'image-pull': 'IMAGE_PULL',
  config: 'INTERNAL',
} as const;

/** The option that sets the limit of a phase. */
const limitOptions: Record<SessionPhaseKind, string> = {
  'git-clone': 'clone_time_limit',
  'git-clone-hosts': 'clone_time_limit',
  inventory: 'inventory_sources_time_limit',
  ansible: 'phase_time_limit',
  teardown: 'image_package_time_limit',
};

function toKillFailure(
  end: PhaseEnd,
  { reason, message }: Extract<PhaseResult, { kind: 'killed' }>,
  cancellation: Cancellation | undefined,
): Outcome {
  const what = `${end.name} (${end.subject})`;
  switch (reason) {
    case 'stopped':
      if (cancellation !== undefined) return toCancelled(cancellation, end.name);
      return lose(
        end,
        `${end.name} was ended by a signal that Keelson did not send, for example because its machine was shut down.`,
      );
    case 'timeout':
      return fail(end, 'TIMEOUT', `${what} was still running ${describeLimit(end)}`);
    case 'memory':
      return fail(
        end,
        'OUT_OF_MEMORY',
        `${what} ran out of memory. Run it with fewer forks, or give the job more.`,
      );
    case 'evicted':
      return fail(
        end,
        'EVICTED',
        `${what} was evicted from its node. ${LOOK_FIRST}${message === undefined ? '' : ` Kubernetes: ${message}`}`,
      );
    case 'lost':
      return lose(
        end,
        `The job vanished during ${end.name}; whether it did its work cannot be known.`,
      );
  }
}

function describeLimit(end: PhaseEnd): string {
  return isBeforeLimit(end)
    ? 'at the deadline that Kubernetes has for the job (activeDeadlineSeconds), and was stopped. The end of its log tells where it stood.'
    : `after its limit of ${end.timeoutSeconds} s (${limitOptions[end.kind]}) and was stopped. The end of its log shows how far it got.`;
}

/**
 * Whether something else than the limit of the phase ended it: well before it, because a clock may be set meanwhile. The
 * wrapper, which enforces the limit, always tells the times.
 */
function isBeforeLimit({ result, timeoutSeconds }: PhaseEnd): boolean {
  if (timeoutSeconds === 0) return true;
  if (result.kind !== 'killed') return false;
  const { startedAt, endedAt } = result;
  if (startedAt === undefined || endedAt === undefined) return true;
  return Date.parse(endedAt) - Date.parse(startedAt) < timeoutSeconds * 900;
}

/** As a shell gives it for a signal: SIGABRT, SIGKILL, SIGSEGV, SIGTERM. */
const SIGNAL_EXITS: ReadonlySet<number> = new Set([134, 137, 139, 143]);

function toExitFailure(end: PhaseEnd, exitCode: number): Outcome {
  // A program that a signal has ended could not say why.
  const isTold = end.errorLine !== undefined && !SIGNAL_EXITS.has(exitCode);
  const because = isTold ? `: ${end.errorLine}` : ` with exit code ${exitCode}; see its log`;
  if (exitCode === EXIT.diskFull)
    return fail(
      end,
      'INTERNAL',
      `${end.name} (${end.subject}) was ended: the disk of the job is full, so its log could not be written. Free space there before running it again.`,
    );
  if (exitCode === EXIT.internal) return fail(end, 'INTERNAL', `${end.name} failed${because}`);
  switch (end.kind) {
    case 'git-clone':
    case 'git-clone-hosts': {
      const reason =
        exitCode === EXIT.gitRef
          ? 'GIT_REF'
          : exitCode === EXIT.gitClone || exitCode === EXIT.gitAway
            ? 'GIT_CLONE'
            : 'INTERNAL';
      return fail(end, reason, `${end.name} of ${end.subject} failed${because}`);
    }
    case 'inventory':
      return fail(end, 'INVENTORY', `Ansible cannot use the inventory${because}`);
    case 'teardown':
      return fail(end, 'IMAGE_PACKAGE', `Packaging failed${because}`);
    case 'ansible':
      return toPlaybookFailure(end, exitCode, because);
  }
}

const UNREACHABLE_EXIT = 4;

/** Ansible's exit codes for a run that failed on hosts. */
const HOST_EXITS: readonly number[] = [2, 3, UNREACHABLE_EXIT, 8];

/**
 * Whether Ansible came to its end and found hosts failed, rather than to an error of its own, perhaps after failures of hosts
 * without which it went on. For a mistake in a file it has the same exit code as for unreachable hosts.
 */
function isOfHosts({ hosts, lacksResults }: PhaseEnd, exitCode: number): boolean {
  if (exitCode === UNREACHABLE_EXIT && lacksResults !== true) return hosts.unreachableHosts > 0;
  return HOST_EXITS.includes(exitCode);
}

function toPlaybookFailure(end: PhaseEnd, exitCode: number, because: string): Outcome {
  const { failedHosts, unreachableHosts, firstFailed, firstUnreachable } = end.hosts;
  const isTheirs = isOfHosts(end, exitCode);
  if (isTheirs && firstFailed !== undefined) {
    const where = `${end.subject}: task "${firstFailed.task ?? 'unknown'}" failed on ${firstFailed.host}${others(failedHosts)}`;
    return {
      ...fail(end, 'TASK_FAILED', `${where}: ${firstFailed.message ?? 'no message'}`),
      host: firstFailed.host,
      ...(firstFailed.task === undefined ? {} : { task: firstFailed.task }),
    };
  }
  if (isTheirs && firstUnreachable !== undefined) {
    const where = `${end.subject}: ${firstUnreachable.host}${others(unreachableHosts)} could not be reached`;
    return {
      ...fail(end, 'HOST_UNREACHABLE', `${where}: ${firstUnreachable.message ?? 'no message'}`),
      host: firstUnreachable.host,
    };
  }
  if (isTheirs && end.lacksResults) {
    const lost = 'The results of its hosts were lost with the end of its log';
    return fail(end, 'PLAYBOOK_ERROR', `${end.subject} (${end.name}) failed${because}. ${lost}.`);
  }
  const unknown = end.lacksResults ? 'failed' : 'could not run';
  const hasRun = end.hosts.hosts > 0 || SIGNAL_EXITS.has(exitCode);
  const what = `${hasRun ? 'broke off' : unknown}${because}`;
  const before = firstFailed ?? firstUnreachable;
  const count = Math.max(failedHosts, unreachableHosts);
  const whole =
    before === undefined
      ? what
      : `${what.replace(/\.$/, '')}. Before that, ${before.host}${others(count)} failed`;
  return fail(end, 'PLAYBOOK_ERROR', `${end.subject} (${end.name}) ${whole}`);
}

function others(count: number): string {
  return count <= 1 ? '' : ` and ${count - 1} more`;
}

/** The outcome of a phase that may have done its work or not. */
function lose(end: PhaseEnd, message: string): Outcome {
  return { ...fail(end, 'JOB_LOST', `${message} ${LOOK_FIRST}`), succeeded: 'unknown' };
}

function fail(end: PhaseEnd, reason: Reason, message: string): Outcome {
  return { succeeded: 'false', reason, message: toMessage(message), phase: end.name };
}
