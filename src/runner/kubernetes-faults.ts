import { ServiceError } from '../core/errors.js';

/** The answer of Kubernetes to a request that it refused. */
export interface Refusal {
  readonly code: number;
  /** Message of the Status object. It names the missing verb and resource. */
  readonly message: string;
}

const MIN_STATUS = 100;

/** Also a 409. It happens if many objects are created at once; this one was not created. */
const QUOTA_CHANGED = /cannot be fulfilled on resourcequotas/;

/** Sent as a 500. Etcd takes 1.5 MiB, and its client in the API server sends no more than 2 MiB. */
const TOO_LARGE = /etcdserver: request is too large|trying to send message larger than max/;

/** The answer to a patch if the name now has another uid. With a resource version, that is a 409 instead. */
const ANOTHER_OBJECT = /metadata\.uid: .*field is immutable/;

/** Recognizes the client's error by its shape. Undefined if there was no answer at all. */
export function toRefusal(error: unknown): Refusal | undefined {
  if (typeof error !== 'object' || error === null) return undefined;
  const { code, body } = error as { code?: unknown; body?: unknown };
  // A request that timed out is a DOMException, which also has a code: 23.
  if (typeof code !== 'number' || code < MIN_STATUS) return undefined;
  return { code, message: readMessage(body) ?? `status ${code}` };
}

/** `act` completes "Kubernetes would not …" and "… could not be asked to …". */
export function toKubernetesFault(act: string, error: unknown): ServiceError {
  const refusal = toRefusal(error);
  if (refusal === undefined)
    return new ServiceError(
      'unavailable',
      `Kubernetes could not be asked to ${act}: ${describe(error)}.`,
      {
        cause: error,
      },
    );
  const { code, message } = refusal;
  const text = `Kubernetes would not ${act}: ${message}`;
  if (code === 404) return new ServiceError('missing', text);
  if (QUOTA_CHANGED.test(message)) return new ServiceError('unavailable', text);
  if (code === 409 || ANOTHER_OBJECT.test(message)) return new ServiceError('conflict', text);
  if (code === 403) return toForbidden(text, message);
  if (code === 413 || TOO_LARGE.test(message))
    return new ServiceError('too_large', text, { reason: 'INTERNAL' });
  if (code === 401 || code === 408 || code === 429 || code >= 500)
    return new ServiceError('unavailable', text);
  return new ServiceError('rejected', text, { reason: 'INTERNAL' });
}

/** The client reports only the status of a refused watch. This adds which right is missing. */
export function toWatchFault(resource: string, error: unknown): unknown {
  const { statusCode } = (error ?? {}) as { statusCode?: unknown };
  if (statusCode !== 403) return error;
  const message = `cannot watch resource "${resource}".`;
  return toForbidden(`Kubernetes would not watch ${resource}: ${message}`, message);
}

/** A quota may soon have room again; a missing right or an admission rule needs somebody to change it. */
function toForbidden(text: string, message: string): ServiceError {
  if (/exceeded quota/.test(message))
    return new ServiceError('unavailable', text, { reason: 'UNSCHEDULABLE' });
  const hint = /cannot \w+ resource/.test(message) ? " The worker's Role has to allow it." : '';
  return new ServiceError('forbidden', `${text}${hint}`, { reason: 'INTERNAL' });
}

function readMessage(body: unknown): string | undefined {
  const status = typeof body === 'string' ? parseStatus(body) : body;
  if (typeof status !== 'object' || status === null || !('message' in status)) return undefined;
  return typeof status.message === 'string' ? status.message : undefined;
}

function parseStatus(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** Prefers the cause, because `fetch failed` says nothing. */
function describe(error: unknown): string {
  const { message, cause } = error as {
    message?: unknown;
    cause?: { message?: unknown; code?: unknown };
  };
  const why = cause?.message || cause?.code;
  return String(why ?? message ?? error);
}
