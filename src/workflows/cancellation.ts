import { CancellationScope, setHandler } from '@temporalio/workflow';
import type { CancelNote } from '../activities/index.js';
import { cancelSignal, type CancelRequest } from './messages.js';

/** A cancel of the session, whether by our signal or by Temporal's own cancellation. */
export interface Cancellation {
  /** Runs the steps before the launch; a cancel ends them. After the launch a cancel stops the job instead. */
  readonly scope: CancellationScope;
  readonly request: () => CancelRequest | undefined;
  readonly isNative: () => boolean;
  /** Resolves once a cancel has come and is on the record, with nothing if a worker of an earlier version put it there. */
  readonly noted: Promise<CancelNote | undefined>;
}

/** Call before the first `await`, so that no signal is missed. `note` puts a cancel on the record. */
export function openCancellation(
  note: (request: CancelRequest) => Promise<CancelNote | undefined>,
): Cancellation {
  const scope = new CancellationScope();
  // Not Temporal's Trigger, which a native cancel rejects: this promise is awaited on the way to the undo.
  const noted = Promise.withResolvers<CancelNote | undefined>();
  let request: CancelRequest | undefined;
  let native = false;
  const cancel = (received: CancelRequest) => {
    if (request !== undefined) return;
    request = received;
    scope.cancel();
    void CancellationScope.nonCancellable(() => note(received)).then(
      (told) => noted.resolve(told),
      (error: unknown) => noted.reject(error),
    );
  };
  setHandler(cancelSignal, (received) => cancel(received ?? {}), {
    description:
      'Stops the session; its record and log are kept. Takes {"reason": "…", "by": "…"}, or nothing.',
  });
  CancellationScope.current().cancelRequested.catch(() => {
    native = true;
    cancel({});
  });
  // Whoever needs `noted` awaits it. A cancel that could not be noted must not fail the workflow as an unhandled rejection.
  noted.promise.catch(() => undefined);
  return {
    scope,
    request: () => request,
    isNative: () => native,
    noted: noted.promise,
  };
}
