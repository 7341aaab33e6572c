import { toMessage } from './message.js';

/** Characters of a task's name in the message. */
const MAX_TASK = 50;
const MAX_NAMES = 3;

/** What a phase reports about hosts that have been silent for long within one task. */
export interface Silence {
  /** The task that has been silent for longest. */
  readonly task: string;
  /** When the task's first silent host was last heard of. */
  readonly since: string;
  /** How many silent hosts the task has. */
  readonly hosts: number;
  /** Names of the first of them. */
  readonly names: readonly string[];
  /** How many hosts are silent in other tasks. */
  readonly others: number;
  /** Seconds of silence after which the task ends on a host. Absent: it does not, or that is not known. */
  readonly limitSeconds?: number;
}

/** States a fact, not a verdict: a package manager may be silent for as long as a mount that hangs. */
export function describeSilence(silence: Silence): string {
  const { task, since, hosts, names, others } = silence;
  const shown = names.slice(0, MAX_NAMES);
  const more = hosts - shown.length;
  const elsewhere = others === 0 ? '' : ` Nor from ${toHosts(others)} in other tasks.`;
  return toMessage(
    `Nothing has been heard from ${toHosts(hosts)} in task "${shorten(task)}" since ${since}: ${shown.join(', ')}` +
      `${more > 0 ? ` and ${more} more` : ''}.${elsewhere} ${describeEnd(silence)}`,
  );
}

export function countSilent({ hosts, others }: Silence): number {
  return hosts + others;
}

function describeEnd({ limitSeconds }: Silence): string {
  return limitSeconds === undefined
    ? 'A task timeout or host_silent_limit would end it.'
    : `The task ends there after ${limitSeconds} s.`;
}

function toHosts(count: number): string {
  return count === 1 ? '1 host' : `${count} hosts`;
}

function shorten(name: string): string {
  const characters = Array.from(name);
  if (characters.length <= MAX_TASK) return name;
  return `${characters.slice(0, MAX_TASK - 1).join('')}…`;
}
