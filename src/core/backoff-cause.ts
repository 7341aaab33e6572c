import type { Reason } from './errors.js';
import type { Outcome } from './session.js';

/** What was tried, for as long as it is worth to know: the last results of one cause, and until when nothing is tried for it. */
export interface CauseRecord {
  readonly cause: string;
  /** Oldest first; true = success. At most `WINDOW`. */
  readonly results: readonly boolean[];
  /** Length of the back-off that was set last; 0 = none. */
  readonly seconds: number;
  /** ISO; absent: none. */
  readonly until?: string;
}

/** How a batch ended. `released`: nobody's failure, as a session that a person has deleted. */
export type BatchResult =
  | { readonly kind: 'success' }
  | { readonly kind: 'failure'; readonly cause: 'configuration' | 'platform' }
  | { readonly kind: 'released' };

/** How many failures in a row begin a back-off, as in CFS. */
const WINDOW = 20;
/** What all batches share is not tried 20 times: one failure says it. */
const PLATFORM_WINDOW = 1;
const FIRST_SECONDS = 60;

export const PLATFORM = 'platform';

/** Every configuration by itself: one that fails keeps no other waiting. */
export function toConfigurationCause(configurationName: string): string {
  return `configuration:${configurationName}`;
}

/** Not by what runs on the nodes, nor by what the configuration says. */
const PLATFORM_REASONS: readonly Reason[] = [
  'INVENTORY',
  'UNSCHEDULABLE',
  'IMAGE_PULL',
  'EVICTED',
  'JOB_LOST',
  'INTERNAL',
];

/** `outcome` is absent where the session is gone without one. */
export function toBatchResult(outcome: Outcome | undefined): BatchResult {
  if (outcome === undefined || outcome.reason === 'CANCELLED') return { kind: 'released' };
  if (outcome.succeeded === 'true') return { kind: 'success' };
  const { reason } = outcome;
  const isPlatform = reason !== undefined && PLATFORM_REASONS.includes(reason);
  return { kind: 'failure', cause: isPlatform ? 'platform' : 'configuration' };
}

/** What the end of a batch tells of causes: its success of all that could have failed it, its failure of one. */
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
 * The record after a result, by the rule of CFS: where the last results are all failures, and the back-off before has
 * passed, 60 seconds, doubled each time, at most `maxSeconds`; any success ends it.
 */
export function noteResult(
  record: CauseRecord,
  isSuccess: boolean,
  { now, maxSeconds }: { readonly now: string; readonly maxSeconds: number },
): CauseRecord {
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

export function isBackedOff({ until }: Pick<CauseRecord, 'until'>, now: string): boolean {
  return until !== undefined && until > now;
}

function later(now: string, seconds: number): string {
  return new Date(Date.parse(now) + seconds * 1000).toISOString();
}
