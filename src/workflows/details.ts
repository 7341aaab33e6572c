import { setCurrentDetails, setHandler } from '@temporalio/workflow';
import { renderProgress, type Progress } from '../core/progress.js';
import { waitingSignal } from './messages.js';

/** The phases of a session, and what it waits for, as the Web UI shows them. */
export interface Details {
  readonly progress: () => Progress;
  /** Shows the phases anew. Whatever was waited for is over by then. */
  readonly update: (change: (progress: Progress) => Progress) => void;
  /** Shows what the session waits for; an empty text: for nothing any more. */
  readonly wait: (what: string) => void;
}

/** Call before the first `await`, so that no signal is missed. */
export function openDetails(): Details {
  let progress: Progress = [];
  const wait = (what: string) => {
    const parts = [what, progress.length === 0 ? '' : renderProgress(progress)];
    setCurrentDetails(parts.filter((part) => part !== '').join('\n\n'));
  };
  setHandler(waitingSignal, wait, {
    description: 'Of the worker, not for people: what a step waits for.',
  });
  return {
    progress: () => progress,
    update(change) {
      progress = change(progress);
      wait('');
    },
    wait,
  };
}
