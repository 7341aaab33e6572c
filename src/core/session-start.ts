import type { Session } from './session.js';

/** What Temporal is told of a session when its workflow starts. */
export interface SessionStart {
  readonly jobId: string;
  readonly sessionName: string;
  readonly configurationName: string;
  /** `<session>: <configuration> → <target>` */
  readonly summary: string;
}

export function toSessionStart({
  jobId,
  name,
  request,
}: Pick<Session, 'jobId' | 'name' | 'request'>): SessionStart {
  const { configurationName, target } = request;
  return {
    jobId,
    sessionName: name,
    configurationName,
    summary: `${name}: ${configurationName} → ${target.definition}`,
  };
}
