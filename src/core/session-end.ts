import type { Reason } from './errors.js';
import { toMessage } from './message.js';
import type { Outcome, Session } from './session.js';
import type { StepFailure } from './step-failure.js';

/** Who cancelled a session, and why. */
export interface Cancellation {
  readonly by?: string;
  readonly reason?: string;
}

/** The advice in the message of a session whose playbooks may have done a part of their work. */
export const LOOK_FIRST = 'Look at the hosts before running it again.';

/** Undefined if nobody has cancelled the session. */
export function findCancellation({
  desired,
  cancelBy: by,
  cancelReason: reason,
}: Pick<Session, 'desired' | 'cancelBy' | 'cancelReason'>): Cancellation | undefined {
  if (desired === 'run') return undefined;
  return { ...(by === undefined ? {} : { by }), ...(reason === undefined ? {} : { reason }) };
}

/** The outcome of a session that was cancelled, in a phase or before it had a job. */
export function toCancelled({ by, reason }: Cancellation = {}, phase?: string): Outcome {
  const when = phase === undefined ? ' before it started' : ` during ${phase}`;
  return {
    succeeded: 'false',
    reason: 'CANCELLED',
    message: toMessage(`Cancelled${renderBy(by)}${when}${renderWhy(reason)}`),
    ...(phase === undefined ? {} : { phase }),
  };
}

/** The message of a cancelled session until it has ended. */
export function describeCancelling(
  session: Pick<Session, 'desired' | 'dispatched' | 'cancelBy' | 'cancelReason'>,
): string | undefined {
  const cancellation = findCancellation(session);
  if (cancellation === undefined) return undefined;
  const { by, reason } = cancellation;
  const what =
    session.dispatched === 'cancelled'
      ? 'it is being stopped'
      : 'it is about to be stopped (if this stays, see temporal_status in /healthz)';
  return toMessage(`Cancelled${renderBy(by)}; ${what}${renderWhy(reason)}`);
}

/** The outcome of a cancelled session that an external operator runs: we can close its record but not stop it. */
export function toWithdrawn({ by, reason }: Cancellation = {}): Outcome {
  return {
    succeeded: 'false',
    reason: 'CANCELLED',
    message: toMessage(
      `Cancelled${renderBy(by)}; this does not stop what its operator runs${renderWhy(reason)}`,
    ),
  };
}

/** Reasons of steps that the worker takes before the job runs. They write to the log of the phase `inventory`. */
const OF_INVENTORY: readonly Reason[] = ['INVENTORY', 'IMAGE_NOT_FOUND', 'IMAGE_PREPARE'];

/** The outcome of a session that a failed step has ended. */
export function toStepOutcome(
  session: Pick<Session, 'launchedAt' | 'attachOnly' | 'phase'>,
  { reason = 'INTERNAL', message }: StepFailure,
): Outcome {
  const phase = OF_INVENTORY.includes(reason) ? 'inventory' : session.phase;
  return {
    ...(reason === 'JOB_LOST'
      ? toLoss(session, message)
      : { succeeded: 'false', message: toMessage(message) }),
    reason,
    ...(phase === undefined ? {} : { phase }),
  };
}

/** Before the launch nothing ran. After it, or if the record may lack the launch, nobody knows what ran. */
function toLoss(
  { launchedAt, attachOnly }: Pick<Session, 'launchedAt' | 'attachOnly'>,
  message: string,
): Pick<Outcome, 'succeeded' | 'message'> {
  return launchedAt === undefined && !attachOnly
    ? {
        succeeded: 'false',
        message: toMessage(`${message} Nothing had run, so it can be run again.`),
      }
    : {
        succeeded: 'unknown',
        message: toMessage(`${message} ${LOOK_FIRST}`),
      };
}

/** The outcome of a session that ends without a launch or a failed step: it was cancelled, or may only attach to a job. */
export function toUnlaunched(cancellation: Cancellation | undefined): Outcome {
  if (cancellation !== undefined) return toCancelled(cancellation);
  return {
    succeeded: 'unknown',
    reason: 'JOB_LOST',
    message: `The session may not launch a job, and none was found. ${LOOK_FIRST}`,
  };
}

/** How a session ended whose workflow has ended once. Of two that agree, the one from the phases also tells host and task. */
export function preferKnown(decided: Outcome, known: Outcome | undefined): Outcome {
  const isSame = known?.succeeded === decided.succeeded && known.reason === decided.reason;
  return known === undefined || isSame ? decided : known;
}

/** Puts what could not be undone at the beginning of the message. */
export function nameLeftovers(outcome: Outcome, leftovers: readonly string[]): Outcome {
  if (leftovers.length === 0) return outcome;
  return {
    ...outcome,
    message: toMessage(`Left behind: ${leftovers.join('; ')}. ${outcome.message ?? ''}`),
  };
}

function renderBy(by: string | undefined): string {
  return by === undefined ? '' : ` by ${by}`;
}

function renderWhy(reason: string | undefined): string {
  return reason === undefined || reason === '' ? '' : `: ${reason}`;
}
