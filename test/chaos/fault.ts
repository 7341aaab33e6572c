import type { Arrangement, ChaosSession, Way } from './arrangement.js';
import type { Moment } from './moments.js';
import type { Random } from './random.js';
import type { Stand, StandKind } from './stand.js';

/** What is promised of a session that the fault strikes; `untouched`: that nothing shows. */
export type Promised = 'untouched' | 'lost' | 'unreachable' | 'cancelled';

export interface Fault {
  readonly name: string;
  /** For people: what is done. */
  readonly what: string;
  readonly stand: StandKind;
  /** Those at which it makes sense. */
  readonly moments: readonly Moment[];
  readonly promised: Promised;
  /** How sessions come to the moment; absent: they are held there. */
  readonly way?: (moment: Moment) => Way;
  /** Sessions stay held until they are over: what holds them is not theirs any more. */
  readonly holdsOn?: true;
  /** Strikes, lets some sessions go, and puts things right again; what it returns is done when every session is over. */
  strike(round: Round): Promise<(() => Promise<unknown>) | undefined>;
}

export interface Round extends Arrangement {
  readonly stand: Stand;
  readonly sessions: readonly ChaosSession[];
  readonly random: Random;
  /** Every session is over. */
  whenOver: () => Promise<void>;
}

/** The time that something is away is part of the fault; nothing waits for it to be enough. */
export function stayAway(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
