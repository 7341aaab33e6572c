/** One word for what went wrong. It crosses every border: HTTP, Temporal, the store and the clients. */
export type Fault =
  | 'invalid'
  | 'forbidden'
  | 'missing'
  | 'conflict'
  | 'rejected'
  | 'unavailable'
  | 'unauthenticated'
  | 'gone'
  | 'too_large'
  | 'busy';

export interface ErrorDetails {
  readonly cause?: unknown;
  /** The title that the published API prescribes for this case; the border has a default for each fault. */
  readonly title?: string;
  /** The session's reason, if this error ends a session. */
  readonly reason?: Reason;
  /** The database has lost what an earlier step has stored. The session may begin again, and do that step again. */
  readonly isSetBack?: boolean;
  /** How long a dependency that is unavailable or busy asks not to be called again. */
  readonly retryAfterSeconds?: number;
}

/** The one error class of the service. Anything else that is thrown is a defect. */
export class ServiceError extends Error {
  override readonly name = 'ServiceError';
  readonly fault: Fault;
  readonly title: string | undefined;
  readonly reason: Reason | undefined;
  readonly isSetBack: boolean;
  readonly retryAfterSeconds: number | undefined;

  constructor(fault: Fault, message: string, details: ErrorDetails = {}) {
    super(message, details.cause === undefined ? undefined : { cause: details.cause });
    this.fault = fault;
    this.title = details.title;
    this.reason = details.reason;
    this.isSetBack = details.isSetBack ?? false;
    this.retryAfterSeconds = details.retryAfterSeconds;
  }
}

/** Checks name and shape, because `instanceof` fails under Jest and across bundles. */
export function isServiceError(error: unknown): error is ServiceError {
  return (
    typeof error === 'object' &&
    error !== null &&
    'fault' in error &&
    'name' in error &&
    error.name === 'ServiceError'
  );
}

export function invalid(message: string, title?: string): ServiceError {
  return new ServiceError('invalid', message, title === undefined ? {} : { title });
}

/** `missing('Session', 'a')` reads "Session a could not be found". */
export function missing(kind: string, name: string, title = `${kind} not found.`): ServiceError {
  return new ServiceError('missing', `${kind} ${name} could not be found`, { title });
}

/** `taken('session', 'a')` reads "A session with the name a already exists". */
export function taken(kind: string, name: string): ServiceError {
  return new ServiceError('conflict', `A ${kind} with the name ${name} already exists`, {
    title: `Conflicting ${kind} name`,
  });
}

/** `setBack('cfs-a-0123abcd', 'the plan')` reads "The database has lost the plan of job cfs-a-0123abcd: it was set back". */
export function setBack(jobId: string, what: string): ServiceError {
  const message = `The database has lost ${what} of job ${jobId}: it was set back to an earlier moment.`;
  return new ServiceError('conflict', message, { reason: 'INTERNAL', isSetBack: true });
}

/** Why a session did not succeed. Only `NO_HOSTS` stands on a success. */
export const REASONS = [
  'GIT_CLONE',
  'GIT_REF',
  'INVENTORY',
  'IMAGE_NOT_FOUND',
  'IMAGE_PREPARE',
  'IMAGE_PACKAGE',
  'UNSCHEDULABLE',
  'IMAGE_PULL',
  'EVICTED',
  'OUT_OF_MEMORY',
  'TIMEOUT',
  'HOST_UNREACHABLE',
  'TASK_FAILED',
  'PLAYBOOK_ERROR',
  'JOB_LOST',
  'CANCELLED',
  'INTERNAL',
  'NO_HOSTS',
] as const;

export type Reason = (typeof REASONS)[number];
