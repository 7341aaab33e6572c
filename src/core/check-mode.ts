import { toMessage } from './message.js';
import type { Outcome, SessionRequest } from './session.js';

/**
 * The flags with which Ansible runs a check. As part of the stored passthrough they make workers and jobs of every version run
 * a check as a check. The API refuses them in requests, so nobody can post the record of a check again as an ordinary session.
 */
const FLAGS = '--check --diff';

type Passthrough = Pick<SessionRequest, 'checkMode' | 'ansiblePassthrough'>;

/** The same request, as a check. */
export function toCheck(request: SessionRequest): SessionRequest {
  const { ansiblePassthrough: asked = '' } = request;
  const ansiblePassthrough = asked === '' ? FLAGS : `${FLAGS} ${asked}`;
  return { ...request, checkMode: true, ansiblePassthrough };
}

/** The passthrough of the request, without the flags of a check. */
export function toAskedPassthrough({ checkMode, ansiblePassthrough = '' }: Passthrough): string {
  return checkMode === true ? ansiblePassthrough.slice(FLAGS.length + 1) : ansiblePassthrough;
}

/** An opening line for the log of a check. */
export function describeCheck({ checkMode }: Passthrough): string | undefined {
  if (checkMode !== true) return undefined;
  return `Check mode (${FLAGS}): Ansible reports what it would change. Only tasks with check_mode: false change anything.`;
}

/** Makes the message of the outcome say that this was a check. */
export function tellCheck(outcome: Outcome, { checkMode }: Passthrough): Outcome {
  // `describeEnd` recognizes a cancelled session by the beginning of its message.
  if (checkMode !== true || outcome.reason === 'CANCELLED') return outcome;
  const { message = 'nothing was applied. The log has what would change.' } = outcome;
  return { ...outcome, message: toMessage(`Check mode: ${message}`) };
}
