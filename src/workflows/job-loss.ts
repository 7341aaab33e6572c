import { ApplicationFailure, patched, setHandler } from '@temporalio/workflow';
import { jobLostSignal } from './messages.js';

/** Whether the sweep has reported that the job's machine is lost. */
export interface JobLoss {
  readonly isLost: () => boolean;
  /** Rejects with reason JOB_LOST when the loss is reported; never resolves. */
  readonly lost: Promise<never>;
  /** Resolves when the loss is reported. The undo would otherwise wait for the lost machine. */
  readonly whenTold: () => Promise<void>;
}

/** Call before the first `await`, so that no signal is missed. */
export function openJobLoss(): JobLoss {
  const { promise, reject } = Promise.withResolvers<never>();
  let isLost = false;
  const lose = (why: string) => {
    isLost = true;
    reject(
      ApplicationFailure.create({
        type: 'gone',
        message: why,
        nonRetryable: true,
        details: [{ reason: 'JOB_LOST' }],
      }),
    );
  };
  setHandler(jobLostSignal, lose, {
    description: 'Sent by the sweep, not by people: why nobody can ever know how the job ended.',
  });
  // The session's run races this promise. Nobody awaits it if the signal comes after the run has ended.
  promise.catch(() => undefined);
  const whenTold = () =>
    promise.catch(() =>
      // Workflows that began before this patch kept waiting after the signal. Remove it when none of them is left.
      patched('loss-ends-undo') ? undefined : new Promise<never>(() => undefined),
    );
  return { isLost: () => isLost, lost: promise, whenTold };
}
