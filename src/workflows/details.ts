import { setCurrentDetails, setHandler } from '@temporalio/workflow';
import { renderProgress, type Progress } from '../core/progress.js';
import { waitingSignal } from './messages.js';

/** What the Web UI shows of a session: what it waits for, as its steps tell, and its phases. */
export interface Details {
  /** It goes on. */
  show(progress: Progress): void;
  /** An empty text: it goes on. */
  wait(what: string): void;
}

/** Call before the first `await`, so that no signal is missed. */
export function openDetails(): Details {
  let shown: Progress = [];
  const wait = (what: string) => {
    const parts = [what, shown.length === 0 ? '' : renderProgress(shown)];
    setCurrentDetails(parts.filter((part) => part !== '').join('\n\n'));
  };
  setHandler(waitingSignal, wait, {
    description: 'Of the worker, not for people: what a step waits for.',
  });
  return {
    show(progress) {
      shown = progress;
      wait('');
    },
    wait,
  };
}
