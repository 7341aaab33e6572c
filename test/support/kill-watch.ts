import type { Cluster } from './cluster.js';
import { PHASES } from './kill-site.js';

const INTERVAL_MS = 250;
const STATES = ['pending', 'running', 'complete'];

/** What a reader of one session sees; an API that is away, or does not know it yet, shows nothing. */
export interface StateWatch {
  /** Of what was seen, the first thing that took something back. */
  regress(): string | undefined;
  /** When it was seen to be complete. */
  completeAt(): number | undefined;
  close(): Promise<void>;
}

interface Seen {
  readonly state: number;
  readonly phase: number;
  readonly succeeded: string;
}

/** Reads the session again and again while services die. */
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
