import { ApplicationFailure } from '@temporalio/common';
import type { ActivityInterceptorsFactory } from '@temporalio/worker';
import { isServiceError, type Fault, type ServiceError } from '../core/errors.js';
import { cutText } from '../core/message.js';

export const isRetryable: Record<Fault, boolean> = {
  invalid: false,
  forbidden: false,
  missing: false,
  conflict: false,
  rejected: false,
  unavailable: true,
  unauthenticated: false,
  gone: false,
  too_large: false,
  busy: true,
};

/** The most activities whose failures are counted at a time. */
const MOST_COUNTED = 10_000;

/** Limit of each text of a failure. Temporal takes 2 MiB of a failure, and one of more than 4 MiB never reaches it. */
const MAX_CHARACTERS = 4_000;

/** How many failures in a row end an activity that has no time limit. For a step this takes about ten minutes. */
const MAX_FAILURES: Readonly<Record<string, number>> = {
  resolveConfiguration: 25,
  stageImages: 25,
  awaitImage: 25,
  stageInventory: 25,
  launchJob: 25,
  gitClone: 10,
  gitCloneHosts: 10,
  inventory: 10,
  ansible: 10,
  teardown: 10,
};

/**
 * Translates faults to Temporal's failures, once per worker, so that no activity names Temporal's error classes. The
 * reason travels in the details. Defects, and faults with a reason, are final after so many in a row. They are counted
 * here, because Temporal's count of attempts also rises with every restart of a worker and while the database is away.
 */
export function createFaultTranslation(): ActivityInterceptorsFactory {
  const failures = new Map<string, number>();
  return ({ info }) => ({
    inbound: {
      async execute(input, next) {
        const key = `${info.workflowExecution?.runId ?? ''} ${info.activityId}`;
        const max = MAX_FAILURES[info.activityType] ?? Number.POSITIVE_INFINITY;
        try {
          const result: unknown = await next(input);
          failures.delete(key);
          return result;
        } catch (error) {
          const count = isCounted(error) ? (failures.get(key) ?? 0) + 1 : 0;
          if (count === 0 || count >= max) failures.delete(key);
          else if (Number.isFinite(max)) note(failures, key, count);
          if (count >= max) throw shorten(toLast(error, info.activityType, count));
          throw shorten(isServiceError(error) ? toFailure(error) : error);
        }
      },
    },
  });
}

/** Forgets the oldest count, because an activity that another worker has finished is never heard of again here. */
function note(failures: Map<string, number>, key: string, count: number): void {
  failures.set(key, count);
  const [oldest] = failures.keys();
  if (failures.size > MOST_COUNTED && oldest !== undefined) failures.delete(oldest);
}

function isCounted(error: unknown): boolean {
  if (!isServiceError(error)) return isDefect(error);
  return isRetryable[error.fault] && error.reason !== undefined;
}

/** The words of a defect, such as ENOENT, say nothing by themselves. */
function toLast(error: unknown, step: string, count: number): ApplicationFailure {
  if (isServiceError(error)) return toFailure(error, { isFinal: true });
  const cause = error as Error;
  const message = `The step ${step} has failed ${count} times in a row, and the log of the worker says where: ${cause.message}`;
  const details = [{ reason: 'INTERNAL' }];
  return ApplicationFailure.create({
    type: 'INTERNAL',
    message,
    details,
    nonRetryable: true,
    cause,
  });
}

export interface Retry {
  /** How long the next attempt waits, instead of the interval of the retry policy. */
  readonly delayMs?: number;
  readonly isFinal?: boolean;
}

export function toFailure(
  error: ServiceError,
  { delayMs, isFinal = false }: Retry = {},
): ApplicationFailure {
  const { fault: type, message, reason, isSetBack } = error;
  return ApplicationFailure.create({
    type,
    message,
    nonRetryable: isFinal || !isRetryable[type],
    ...(reason === undefined ? {} : { details: [{ reason, ...(isSetBack ? { isSetBack } : {}) }] }),
    ...(delayMs === undefined ? {} : { nextRetryDelay: delayMs }),
    cause: error,
  });
}

/** Cuts the texts of an error and of its causes: they repeat what a request names, which may be very long. */
function shorten(error: unknown): unknown {
  for (let each = error; isErrorLike(each); each = each.cause)
    for (const key of ['message', 'stack'] as const) {
      const text = each[key];
      // Left as it is otherwise: some errors of the platform refuse to be changed.
      if (text !== undefined && text.length > MAX_CHARACTERS)
        each[key] = cutText(text, MAX_CHARACTERS);
    }
  return error;
}

/** By its shape, because errors come from several realms. */
function isErrorLike(error: unknown): error is Error {
  return (
    typeof error === 'object' &&
    error !== null &&
    'message' in error &&
    typeof error.message === 'string'
  );
}

/** Whether the error is a defect: not a cancel, a shutdown of the worker, or a failure that is Temporal's already. */
function isDefect(error: unknown): error is Error {
  return (
    error instanceof Error &&
    !['CancelledFailure', 'AbortError', 'ApplicationFailure'].includes(error.name)
  );
}
