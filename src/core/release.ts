/** A failed phase that is kept as it is, so that somebody can look at it and have it run again. */
export interface Hold {
  readonly since: string;
  readonly until: string;
  readonly command: string;
  /** Whether the job can run the phase again. Absent in jobs of earlier versions. */
  readonly canRerun?: boolean;
  readonly releasedAt?: string;
  readonly rerun?: Rerun;
}

/** The request that ends a hold by running the phase again. */
export interface Rerun {
  readonly at: string;
  /** Name of the token of the request. */
  readonly by: string;
}

/** A hold as a job reports it. */
export type NewHold = Pick<Hold, 'since' | 'until' | 'command' | 'canRerun'>;

export interface ReleaseRequest {
  readonly at: string;
  readonly by: string;
  /** Whether the failed phase is to run again. */
  readonly rerun: boolean;
  /** When the hold began that is meant. Absent: the present one. */
  readonly since?: string;
}

export type ReleaseDecision =
  | { readonly kind: 'end' }
  /** The same request has ended this hold before. */
  | { readonly kind: 'ended' }
  /** `why` completes a sentence that begins with the session. */
  | { readonly kind: 'refused'; readonly why: string };

const end: ReleaseDecision = { kind: 'end' };
const ended: ReleaseDecision = { kind: 'ended' };
const notHeld = refuse('is not held');

/** What a request does to the latest hold of a session. `isOver`: its phase has ended since. */
export function decideRelease(
  hold: Hold | undefined,
  isOver: boolean,
  { at, rerun, since }: ReleaseRequest,
): ReleaseDecision {
  if (hold === undefined || (isOver && since === undefined)) return notHeld;
  if (since !== undefined && since !== hold.since) {
    if (since > hold.since) return notHeld;
    // Only a phase that runs again is held again.
    return rerun ? ended : refuse(`is held again, since ${hold.since}`);
  }
  if (hold.rerun !== undefined)
    return rerun ? ended : refuse('is not held any more: its playbook runs again');
  if (isOver || hold.until <= at) return notHeld;
  if (hold.releasedAt !== undefined)
    return rerun ? refuse('was released before, so its playbook does not run again') : ended;
  if (rerun && hold.canRerun !== true)
    return refuse(
      'was started by an earlier version, whose jobs cannot run a playbook again. Release it, and then retry it',
    );
  return end;
}

function refuse(why: string): ReleaseDecision {
  return { kind: 'refused', why };
}
