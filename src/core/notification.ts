import type { Outcome, Session, Succeeded } from './session.js';

/** How the message of a session that was cancelled begins. */
const CANCELLED = 'Cancelled';

const VERDICTS = {
  true: 'succeeded',
  false: 'failed',
  unknown: 'ended, and whether it succeeded is not known',
} as const satisfies Record<Outcome['succeeded'], string>;

/** Of which ends somebody wants to be told; `failed`: of all that are no success. */
export type NotificationScope = 'all' | 'failed';

export function isWanted(scope: NotificationScope, succeeded: Succeeded): boolean {
  return scope === 'all' || succeeded !== 'true';
}

/** How long a webhook is left alone after a try that failed; twice as long after each. */
export const TRIES = { firstMs: 1_000, growth: 2, mostMs: 600_000 } as const;

/** For longer nobody is waited for who asks for it: a day is all the time that there is. */
const MOST_ASKED_MS = 3_600_000;

/** What the receiver asks for, where that is longer than it would be left alone anyway. `attempt`: that failed, from 1. */
export function toAskedDelayMs(attempt: number, askedSeconds: number): number | undefined {
  const { firstMs, growth, mostMs } = TRIES;
  const ownMs = Math.min(firstMs * growth ** (attempt - 1), mostMs);
  const askedMs = Math.min(askedSeconds * 1000, MOST_ASKED_MS);
  return askedMs > ownMs ? askedMs : undefined;
}

/** Hosts of a session by the worst that befell each in any of its phases; each is counted once. */
export interface HostTotals {
  readonly hosts: number;
  readonly failed: number;
  readonly unreachable: number;
  /** Cut short by a failure on another host. */
  readonly incomplete: number;
  readonly changed: number;
  readonly ok: number;
}

/** One sentence, or two, for people: how it ended, why, and on how many hosts. */
export function describeEnd(
  { name, outcome, request }: Pick<Session, 'name' | 'outcome' | 'request'>,
  totals: HostTotals,
): string {
  const end = `Session ${name} ${describeOutcome(outcome)}`;
  return `${/[.…]$/.test(end) ? end : `${end}.`} ${describeHosts(totals, request.checkMode === true)}`.trimEnd();
}

function describeOutcome({ succeeded, reason, message = '' }: Outcome = { succeeded: 'unknown' }) {
  if (message.startsWith(CANCELLED)) return `was ${message.replace(/^C/, 'c')}`;
  const why = reason === undefined ? '' : ` (${reason})`;
  return `${VERDICTS[succeeded]}${why}${message === '' ? '' : `: ${message}`}`;
}

function describeHosts(
  { hosts, failed, unreachable, changed }: HostTotals,
  isCheck: boolean,
): string {
  if (hosts === 0) return '';
  const bad = [
    ...(failed > 0 ? [`${failed} failed`] : []),
    ...(unreachable > 0 ? [`${unreachable} could not be reached`] : []),
  ];
  const change = isCheck ? 'would change' : 'changed';
  const told = bad.length > 0 ? bad : [`${changed === 0 ? 'none' : changed} ${change}`];
  return `Of ${hosts} ${hosts === 1 ? 'host' : 'hosts'} ${told.join(' and ')}.`;
}
