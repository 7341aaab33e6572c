import { CancellationScope, setHandler } from '@temporalio/workflow';
import { cancelSignal, type CancelRequest } from './messages.js';

/** One path for every way a cancel comes: our signal, or Temporal's own. */
export interface Cancellation {
  /** Steps before the launch run in it; a cancel ends them. Everything later is non-cancellable and stops by stopping the job. */
  readonly scope: CancellationScope;
  readonly request: () => CancelRequest | undefined;
  readonly isNative: () => boolean;
  /** Resolves when a cancel has come and is on the record. */
  readonly noted: Promise<void>;
}

/** Call before the first `await`, so that no signal is missed. `note` puts the cancel on the record: its first act. */
export function openCancellation(note: (request: CancelRequest) => Promise<unknown>): Cancellation {
  const scope = new CancellationScope();
  // Not Temporal's Trigger: a native cancel rejects that one, and this is awaited on the way to the undo.
  const noted = Promise.withResolvers<undefined>();
  let request: CancelRequest | undefined;
  let native = false;
  const cancel = (received: CancelRequest) => {
    if (request !== undefined) return;
    request = received;
    scope.cancel();
    void CancellationScope.nonCancellable(() => note(received)).then(
      () => noted.resolve(undefined),
      (error: unknown) => noted.reject(error),
    );
  };
  setHandler(cancelSignal, (received) => cancel(received ?? {}), {
    description:
      'Stops the session and keeps record and log: {"reason": "…", "by": "…"}, or nothing.',
  });
  CancellationScope.current().cancelRequested.catch(() => {
    native = true;
    cancel({});
  });
  // Whoever must know awaits it; a cancel that could not be noted must not fail the workflow from the side.
  noted.promise.catch(() => undefined);
  return {
    scope,
    request: () => request,
    isNative: () => native,
    noted: noted.promise.then(() => undefined),
  };
}
