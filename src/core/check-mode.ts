import { toMessage } from './message.js';
import type { Outcome, SessionRequest } from './session.js';

/**
 * What Ansible is told of a check. It stands in the stored passthrough, so that no worker and no job, of whatever version, runs
 * a check for real. No API takes it from outside, so whoever posts the record of a check again is refused.
 */
const FLAGS = '--check --diff';

type Passthrough = Pick<SessionRequest, 'checkMode' | 'ansiblePassthrough'>;

/** The request, run by Ansible's check mode. */
export function toCheck(request: SessionRequest): SessionRequest {
  const { ansiblePassthrough: asked = '' } = request;
  const ansiblePassthrough = asked === '' ? FLAGS : `${FLAGS} ${asked}`;
  return { ...request, checkMode: true, ansiblePassthrough };
}

/** What was asked for besides the check. */
export function toAskedPassthrough({ checkMode, ansiblePassthrough = '' }: Passthrough): string {
  return checkMode === true ? ansiblePassthrough.slice(FLAGS.length + 1) : ansiblePassthrough;
}

/** The line at the beginning of the log of a check. */
export function describeCheck({ checkMode }: Passthrough): string | undefined {
  if (checkMode !== true) return undefined;
  return `Check mode (${FLAGS}): Ansible tells what it would change, and changes nothing but by tasks with check_mode: false.`;
}

/** The outcome, whose message says that it is that of a check. */
export function tellCheck(outcome: Outcome, { checkMode }: Passthrough): Outcome {
  // How the message of a cancelled session begins is looked at.
  if (checkMode !== true || outcome.reason === 'CANCELLED') return outcome;
  const { message = 'nothing was applied. The log has what would change.' } = outcome;
  return { ...outcome, message: toMessage(`Check mode: ${message}`) };
}
