import { setCurrentDetails, setHandler } from '@temporalio/workflow';
import { renderProgress, type Progress } from '../core/progress.js';
import { waitingSignal } from './messages.js';

/** The details that the Web UI shows: the phases of the session, and what it waits for. */
export interface Details {
  readonly progress: () => Progress;
  /** Changes the phases and shows them. Clears what the session waited for, because it has gone on. */
  readonly update: (change: (progress: Progress) => Progress) => void;
  /** Shows what the session waits for; an empty text means that it no longer waits. */
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
    description: 'Sent by the worker, not by people: what a step waits for.',
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
