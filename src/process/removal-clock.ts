import type { Store } from '../store/store.js';

/**
 * Tells the time by the clock that all processes share, but never a later one than by this machine's: what is removed is gone,
 * so it must be old by two clocks. If one of them is hours behind, it is removed so much later.
 */
export function createRemovalClock({ sweep }: Pick<Store, 'sweep'>): () => Promise<string> {
  return async () => {
    const [shared, own] = [await sweep.clock(), new Date().toISOString()];
    return shared < own ? shared : own;
  };
}
