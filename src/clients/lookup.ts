import { lookup, type LookupAddress } from 'node:dns';
import type { LookupFunction } from 'node:net';

type Answer = [
  error: NodeJS.ErrnoException | null,
  address: string | LookupAddress[],
  family?: number,
];
type Callback = (...answer: Answer) => void;

/**
 * Looks up the address of a host once for all who wait for it. Node looks up only a few hosts at a time, each on a thread of
 * its own, and goes on when the request that needs the address is long given up. So if the name server did not answer for one
 * host, repeated requests to it would soon keep the requests to all other hosts waiting.
 */
export function createLookup(ask: LookupFunction = lookup): LookupFunction {
  const waiting = new Map<string, Callback[]>();
  return (host, options, callback) => {
    const key = JSON.stringify([host, options]);
    const others = waiting.get(key);
    if (others !== undefined) {
      others.push(callback);
      return;
    }
    const all: Callback[] = [callback];
    waiting.set(key, all);
    ask(host, options, (...answer) => {
      waiting.delete(key);
      for (const each of all) each(...answer);
    });
  };
}
