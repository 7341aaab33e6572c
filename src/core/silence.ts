import { toMessage } from './message.js';

/** Characters of a task's name, of those that a message has. */
const MAX_TASK = 50;
const MAX_NAMES = 3;

/** What a phase says of hosts that have been in one task for long without a word. */
export interface Silence {
  /** The one of which nothing was heard for longest. */
  readonly task: string;
  /** When it was heard of the first of its hosts for the last time. */
  readonly since: string;
  /** How many it has. */
  readonly hosts: number;
  /** The first of them. */
  readonly names: readonly string[];
  /** Silent hosts in other tasks. */
  readonly others: number;
}

/** A fact, not a verdict: a package manager may be silent for as long as a mount that hangs. */
export function describeSilence({ task, since, hosts, names, others }: Silence): string {
  const shown = names.slice(0, MAX_NAMES);
  const more = hosts - shown.length;
  const elsewhere = others === 0 ? '' : ` Also of ${toHosts(others)} in other tasks.`;
  return toMessage(
    `Nothing has been heard of ${toHosts(hosts)} in task "${shorten(task)}" since ${since}: ${shown.join(', ')}` +
      `${more > 0 ? ` and ${more} more` : ''}.${elsewhere} A timeout on the task would end it.`,
  );
}

/** All hosts of which it tells. */
export function countSilent({ hosts, others }: Silence): number {
  return hosts + others;
}

function toHosts(count: number): string {
  return count === 1 ? '1 host' : `${count} hosts`;
}

function shorten(name: string): string {
  const characters = Array.from(name);
  if (characters.length <= MAX_TASK) return name;
  return `${characters.slice(0, MAX_TASK - 1).join('')}…`;
}
