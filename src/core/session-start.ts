import type { Session } from './session.js';

/** What Temporal is told about a session when its workflow starts. */
export interface SessionStart {
  readonly jobId: string;
  readonly sessionName: string;
  readonly configurationName: string;
  /** `<session>: <configuration> → <target>`, and whether it is a check. */
  readonly summary: string;
}

export function toSessionStart({
  jobId,
  name,
  request,
}: Pick<Session, 'jobId' | 'name' | 'request'>): SessionStart {
  const { configurationName, target, checkMode } = request;
  const how = checkMode === true ? ' (check mode)' : '';
  return {
    jobId,
    sessionName: name,
    configurationName,
    summary: `${name}: ${configurationName} → ${target.definition}${how}`,
  };
}
