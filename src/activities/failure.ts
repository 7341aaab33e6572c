import { ApplicationFailure } from '@temporalio/common';
import type { ActivityInterceptorsFactory } from '@temporalio/worker';
import { isServiceError, type Fault, type ServiceError } from '../core/errors.js';

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
const MAX_DEFECTS = 10;

/**
 * Once per worker, so that no activity names Temporal's error classes. The reason travels in the details. A defect in an
 * observer, which has no time limit of its own, is final after ten in a row: attempts alone do not count, they rise with
 * every restart of a worker too.
 */
export function createFaultTranslation(): ActivityInterceptorsFactory {
  const defects = new Map<string, number>();
  return ({ info }) => ({
    inbound: {
      async execute(input, next) {
        const key = `${info.workflowExecution?.workflowId ?? ''} ${info.activityId}`;
        try {
          const result: unknown = await next(input);
          defects.delete(key);
          return result;
        } catch (error) {
          if (isServiceError(error)) {
            defects.delete(key);
            throw toFailure(error);
          }
          if (!isDefect(error) || !OBSERVERS.has(info.activityType)) throw error;
          const count = (defects.get(key) ?? 0) + 1;
          defects.set(key, count);
          if (count < MAX_DEFECTS) throw error;
          defects.delete(key);
          const { message } = error;
          throw ApplicationFailure.create({
            type: 'INTERNAL',
            message,
            nonRetryable: true,
            cause: error,
          });
        }
      },
    },
  });
}

function toFailure(error: ServiceError): ApplicationFailure {
  const { fault: type, message, reason } = error;
  return ApplicationFailure.create({
    type,
    message,
    nonRetryable: !isRetryable[type],
    ...(reason === undefined ? {} : { details: [{ reason }] }),
    cause: error,
  });
}

/** Not a cancel, not a worker that shuts down. */
function isDefect(error: unknown): error is Error {
  return (
    error instanceof Error &&
    !['CancelledFailure', 'AbortError', 'ApplicationFailure'].includes(error.name)
  );
}
