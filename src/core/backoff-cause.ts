import type { Reason } from './errors.js';
import type { Outcome } from './session.js';

/** The recent results of one cause, and until when nothing that it affects is sent. */
export interface CauseRecord {
  readonly cause: string;
  /** Oldest first; true = success. At most `WINDOW`. */
  readonly results: readonly boolean[];
  /** Length of the last back-off; 0 = none. */
  readonly seconds: number;
  /** ISO; absent if there is no back-off. */
  readonly until?: string;
}

/** How a batch ended. `released` is neither a success nor a failure: for example, a person has deleted the session. */
export type BatchResult =
  | { readonly kind: 'success' }
  | { readonly kind: 'failure'; readonly cause: 'configuration' | 'platform' }
  | { readonly kind: 'released' };

/** How many failures in a row begin a back-off, as in CFS. */
const WINDOW = 20;
/** All batches share the platform, so one failure of it is enough. */
const PLATFORM_WINDOW = 1;
const FIRST_SECONDS = 60;
/** The clocks of two workers differ by less. */
const CLOCKS_DIFFER_SECONDS = 60;

export const PLATFORM = 'platform';

/** Each configuration is a cause of its own, so that one that fails does not hold back the others. */
export function toConfigurationCause(configurationName: string): string {
  return `configuration:${configurationName}`;
}

/** Reasons of failures that come neither from what runs on the nodes nor from the configuration. */
const PLATFORM_REASONS: readonly Reason[] = [
  'INVENTORY',
  'UNSCHEDULABLE',
  'IMAGE_PULL',
  'EVICTED',
  'JOB_LOST',
  'INTERNAL',
];

/**
 * `outcome` is undefined if the session is gone without one. An inventory that Ansible cannot use comes from the configuration,
 * one that could not be made before the launch from the platform.
 */
export function toBatchResult(outcome: Outcome | undefined, isLaunched: boolean): BatchResult {
  if (outcome === undefined || outcome.reason === 'CANCELLED') return { kind: 'released' };
  if (outcome.succeeded === 'true') return { kind: 'success' };
  const { reason } = outcome;
  const isOwn = reason === 'INVENTORY' && isLaunched;
  const isPlatform = reason !== undefined && PLATFORM_REASONS.includes(reason) && !isOwn;
  return { kind: 'failure', cause: isPlatform ? 'platform' : 'configuration' };
}

/** What the end of a batch says about causes: a success clears all that could have failed it, a failure counts against one. */
export function toNotes(
  configurationName: string,
  result: BatchResult,
): readonly { readonly cause: string; readonly isSuccess: boolean }[] {
  if (result.kind === 'released') return [];
  const own = toConfigurationCause(configurationName);
  if (result.kind === 'success')
    return [own, PLATFORM].map((cause) => ({ cause, isSuccess: true }));
  return [{ cause: result.cause === 'platform' ? PLATFORM : own, isSuccess: false }];
}

/**
 * Adds a result to the record, by the rule of CFS. If the last results are all failures and no back-off is in force,
 * a new one begins: 60 seconds at first, then twice as long each time, at most `maxSeconds`. Any success ends it.
 */
export function noteResult(
  given: CauseRecord,
  isSuccess: boolean,
  { now, maxSeconds }: { readonly now: string; readonly maxSeconds: number },
): CauseRecord {
  const record = limitBackOff(given, maxSeconds);
  const { cause, seconds, until } = record;
  if (isSuccess) return { cause, results: [true], seconds: 0 };
  const window = cause === PLATFORM ? PLATFORM_WINDOW : WINDOW;
  const results = [...record.results, false].slice(-window);
  const isFailing = results.length === window && results.every((result) => !result);
  if (!isFailing || isBackedOff(record, now))
    return { cause, results, seconds, ...(until === undefined ? {} : { until }) };
  const next = Math.min(seconds === 0 ? FIRST_SECONDS : seconds * 2, maxSeconds);
  return { cause, results, seconds: next, until: later(now, next) };
}

/** Shortens a back-off that began when the maximum was higher. */
export function limitBackOff(record: CauseRecord, maxSeconds: number): CauseRecord {
  const { seconds, until } = record;
  if (until === undefined || seconds <= maxSeconds) return record;
  return { ...record, seconds: maxSeconds, until: later(until, maxSeconds - seconds) };
}

/** A back-off that would still last longer than it is long began before the clock was set back, and is over. */
export function isBackedOff(
  { seconds, until }: Pick<CauseRecord, 'seconds' | 'until'>,
  now: string,
): boolean {
  if (until === undefined || until <= now) return false;
  return until <= later(now, seconds + CLOCKS_DIFFER_SECONDS);
}

function later(now: string, seconds: number): string {
  return new Date(Date.parse(now) + seconds * 1000).toISOString();
}
