import type { Cluster } from './cluster.js';
import { PHASES } from './kill-site.js';

const INTERVAL_MS = 250;
const STATES = ['pending', 'running', 'complete'];

/** What a reader of one session sees. While the API is away or does not know the session yet, nothing is seen. */
export interface StateWatch {
  /** The first thing seen that takes back what was seen before. */
  regress(): string | undefined;
  /** When the session was first seen complete. */
  completeAt(): number | undefined;
  close(): Promise<void>;
}

interface Seen {
  readonly state: number;
  readonly phase: number;
  readonly succeeded: string;
}

/** Reads the session repeatedly while services are killed. */
export function watchStates(cluster: Cluster, name: string): StateWatch {
  const closing = new AbortController();
  let last: Seen = { state: 0, phase: -1, succeeded: 'none' };
  let wrong: string | undefined;
  let completeAt: number | undefined;
  const look = async () => {
    const { status } = await cluster.find(name);
    const { status: state, phase, succeeded } = status.session;
    const seen = {
      state: STATES.indexOf(state ?? ''),
      phase: PHASES.findIndex((each) => each === phase),
      succeeded: succeeded ?? '',
    };
    if (state === 'complete') completeAt ??= Date.now();
    wrong ??= findRegress(last, seen);
    last = seen;
  };
  const watching = (async () => {
    while (!closing.signal.aborted) {
      await look().catch(() => undefined);
      await new Promise((resolve) => setTimeout(resolve, INTERVAL_MS));
    }
  })();
  return {
    regress: () => wrong,
    completeAt: () => completeAt,
    async close() {
      closing.abort();
      await watching;
    },
  };
}

function findRegress(before: Seen, after: Seen): string | undefined {
  const isBack =
    after.state < before.state ||
    (after.state < 2 && after.phase < before.phase) ||
    (after.state < 2 && after.succeeded !== 'none') ||
    (before.state === 2 && after.succeeded !== before.succeeded);
  return isBack ? `${JSON.stringify(before)} then ${JSON.stringify(after)}` : undefined;
}
