import type { Arrangement, ChaosSession, Way } from './arrangement.js';
import type { Moment } from './moments.js';
import type { Random } from './random.js';
import type { Stand, StandKind } from './stand.js';

/** How a session must end that the fault strikes. `untouched`: as if nothing had happened. `failed`: as its playbook did. */
export type Promised = 'untouched' | 'lost' | 'failed' | 'unreachable' | 'cancelled';

export interface Fault {
  readonly name: string;
  /** Description for people. */
  readonly what: string;
  readonly stand: StandKind;
  /** The moments at which it makes sense. */
  readonly moments: readonly Moment[];
  readonly promised: Promised;
  /** How a session must end that is held. Default: as `promised` says. */
  readonly promisedInHold?: Promised;
  /** How sessions come to the moment. Default: `held`. */
  readonly way?: (moment: Moment) => Way;
  /** Sessions are released only after they are over, because the fault ends them while they are held. */
  readonly holdsOn?: true;
  /** Causes the fault, releases some sessions, ends the fault. Returns what remains to do once every session is over. */
  strike(round: Round): Promise<(() => Promise<unknown>) | undefined>;
}

export interface Round extends Arrangement {
  readonly stand: Stand;
  readonly sessions: readonly ChaosSession[];
  readonly random: Random;
  /** Resolves when every session is over. */
  whenOver: () => Promise<void>;
}

/** Sleeps, because the time that something is away is part of the fault. No assertion depends on its length. */
export function stayAway(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
