import { ApplicationFailure } from '@temporalio/common';
import type { ActivityInterceptorsFactory } from '@temporalio/worker';
import { isServiceError, type Fault } from '../core/errors.js';

const isRetryable: Record<Fault, boolean> = {
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

const OBSERVERS = new Set(['gitClone', 'gitCloneHosts', 'inventory', 'ansible']);
const OBSERVER_ATTEMPTS = 10;

/**
 * Registered once on the worker, so no activity names Temporal's error classes. The reason travels in the details. A
 * defect in an observer, which has no time limit of its own, is final after ten tries.
 */
export const translateFaults: ActivityInterceptorsFactory = ({ info }) => ({
  inbound: {
    async execute(input, next) {
      try {
        return await next(input);
      } catch (error) {
        if (isServiceError(error)) {
          const { fault: type, message, reason } = error;
          throw ApplicationFailure.create({
            type,
            message,
            nonRetryable: !isRetryable[type],
            ...(reason === undefined ? {} : { details: [{ reason }] }),
            cause: error,
          });
        }
        if (
          isDefect(error) &&
          OBSERVERS.has(info.activityType) &&
          info.attempt >= OBSERVER_ATTEMPTS
        ) {
          throw ApplicationFailure.create({
            type: 'INTERNAL',
            message: error.message,
            nonRetryable: true,
            cause: error,
          });
        }
        throw error;
      }
    },
  },
});

/** Not a cancel, not a worker that shuts down. */
function isDefect(error: unknown): error is Error {
  return (
    error instanceof Error &&
    !['CancelledFailure', 'AbortError', 'ApplicationFailure'].includes(error.name)
  );
}
