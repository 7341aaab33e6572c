import { setHandler, upsertSearchAttributes } from '@temporalio/workflow';
import type { Cancellation } from './cancellation.js';
import type { Details } from './details.js';
import { searchAttributes, statusQuery } from './messages.js';
import type { OpenClaim } from './session-run.js';

/** Answers the query `status`. Call before the first `await`. */
export function answerStatus(
  jobId: string,
  { details, cancellation }: { readonly details: Details; readonly cancellation: Cancellation },
): void {
  setHandler(
    statusQuery,
    () => {
      const cancel = cancellation.request();
      return { jobId, progress: details.progress(), ...(cancel === undefined ? {} : { cancel }) };
    },
    {
      description:
        'The phases, and who has cancelled the session. For debugging; the API answers from the database.',
    },
  );
}

/** Sets the search attributes, by which Temporal's lists show and find the session. */
export function showState(claim: OpenClaim, status: string, phase: string): void {
  upsertSearchAttributes([
    { key: searchAttributes.name, value: claim.sessionName },
    { key: searchAttributes.configuration, value: claim.configurationName },
    { key: searchAttributes.status, value: status },
    { key: searchAttributes.phase, value: phase },
  ]);
}
