/** The most connections that are accepted before requests on the others are answered. */
const MOST_TURNS = 256;

export interface Arrivals {
  /** A connection has been accepted. */
  arrive(): void;
  /** Calls `act` now, or as soon as no more connections arrive. */
  pass(act: () => void): void;
}

/**
 * Node accepts one connection per turn of its event loop, and in the same turn answers every request that has come on the
 * others. While many clients send requests all the time, a new client would wait seconds to be accepted. So as long as each
 * turn brings a connection, requests wait: a turn without requests is a thousand times shorter.
 */
export function createArrivals(): Arrivals {
  const waiting: (() => void)[] = [];
  let isComing = false;
  let turns = 0;
  const turn = () => {
    turns += 1;
    if (isComing && turns < MOST_TURNS) {
      isComing = false;
      setImmediate(turn);
      return;
    }
    isComing = false;
    turns = 0;
    for (const act of waiting.splice(0)) act();
  };
  return {
    arrive() {
      isComing = true;
    },
    pass(act) {
      if (!isComing && waiting.length === 0) act();
      else if (waiting.push(act) === 1) setImmediate(turn);
    },
  };
}
