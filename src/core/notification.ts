import type { Outcome, Session, Succeeded } from './session.js';

/** The beginning of the message of a cancelled session. */
const CANCELLED = 'Cancelled';

const VERDICTS = {
  true: 'succeeded',
  false: 'failed',
  unknown: 'ended, and whether it succeeded is not known',
} as const satisfies Record<Outcome['succeeded'], string>;

/** Which ends of sessions a webhook is told of. `failed` means all that are not a success. */
export type NotificationScope = 'all' | 'failed';

export function isWanted(scope: NotificationScope, succeeded: Succeeded): boolean {
  return scope === 'all' || succeeded !== 'true';
}

/** The delay before a webhook is tried again. It doubles after each failure. */
export const TRIES = { firstMs: 1_000, growth: 2, mostMs: 600_000 } as const;

/** The longest delay that a receiver may ask for, because a webhook is tried for only a day. */
const MOST_ASKED_MS = 3_600_000;

/** The delay that the receiver asks for, if it is longer than our own. `attempt` is the one that failed, counted from 1. */
export function toAskedDelayMs(attempt: number, askedSeconds: number): number | undefined {
  const { firstMs, growth, mostMs } = TRIES;
  const ownMs = Math.min(firstMs * growth ** (attempt - 1), mostMs);
  const askedMs = Math.min(askedSeconds * 1000, MOST_ASKED_MS);
  return askedMs > ownMs ? askedMs : undefined;
}

/** Hosts of a session, each counted once, by its worst result in any phase. */
export interface HostTotals {
  readonly hosts: number;
  readonly failed: number;
  readonly unreachable: number;
  /** Cut short by a failure on another host. */
  readonly incomplete: number;
  readonly changed: number;
  readonly ok: number;
}

/** One or two sentences for people: how the session ended, why, and on how many hosts. */
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
