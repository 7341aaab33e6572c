import { ApplicationFailure, patched, setHandler } from '@temporalio/workflow';
import { jobLostSignal } from './messages.js';

/** Whether the sweep has told that the machine which has the job is gone for good. */
export interface JobLoss {
  readonly isLost: () => boolean;
  /** Rejects with reason JOB_LOST when it is told; never resolves. */
  readonly lost: Promise<never>;
  /** Resolves when it is told from now on: for the undo, which would wait for that machine. */
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
    description: 'Of the sweep, not for people: nobody can ever say how the job ended, and why.',
  });
  // The session's run races this promise; nobody awaits it if the signal comes after the end.
  promise.catch(() => undefined);
  const whenTold = () =>
    promise.catch(() =>
      // One that began before this was here has heard it and waited on. To go when none of those is left.
      patched('loss-ends-undo') ? undefined : new Promise<never>(() => undefined),
    );
  return { isLost: () => isLost, lost: promise, whenTold };
}
