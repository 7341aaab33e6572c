import { setHandler } from '@temporalio/workflow';
import { admittedSignal } from './messages.js';

export interface Admission {
  /** Whether the session was told that it has a place. */
  readonly isAdmitted: () => boolean;
}

/** Call before the first `await`, so that no signal is missed. */
export function openAdmission(): Admission {
  let isAdmitted = false;
  const admit = () => {
    isAdmitted = true;
  };
  setHandler(admittedSignal, admit, {
    description: 'Of the API, not for people: the session has a place and may go on.',
  });
  return { isAdmitted: () => isAdmitted };
}
