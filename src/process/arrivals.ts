/** The most connections that are taken before requests on others are answered. */
const MOST_TURNS = 256;

export interface Arrivals {
  /** A connection has been taken. */
  arrive(): void;
  /** Acts now, or when no more connections come. */
  pass(act: () => void): void;
}

/**
 * Node takes one connection in each turn of its loop, and in the same turn answers whatever has been asked on all others. Where
 * many ask again and again, somebody new would wait for seconds to be taken. So as long as each turn brings a connection,
 * requests wait for the turns after it: a turn without them is a thousand times as short.
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
