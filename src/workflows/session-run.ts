import type { ClaimResult } from '../activities/index.js';
import type { Admission } from './admission.js';
import type { Cancellation } from './cancellation.js';
import type { Details } from './details.js';
import type { JobLoss } from './job-loss.js';
import type { UndoList } from './undo.js';

/** The claim of a session that is not complete. */
export type OpenClaim = Exclude<ClaimResult, { kind: 'complete' }>;

/** What the steps of one run of SessionWorkflow share. */
export interface SessionRun {
  readonly jobId: string;
  readonly claim: OpenClaim;
  readonly cancellation: Cancellation;
  readonly loss: JobLoss;
  readonly admission: Admission;
  readonly details: Details;
  readonly undo: UndoList;
}
