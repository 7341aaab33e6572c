import { setHandler } from '@temporalio/workflow';
import { admittedSignal } from './messages.js';

export interface Admission {
  /** Whether the session was told that it may go on. */
  readonly isAdmitted: () => boolean;
  /** Before it asks for something that it may have to wait for: what it was told until then was of something else. */
  readonly forget: () => void;
}

/** Call before the first `await`, so that no signal is missed. */
export function openAdmission(): Admission {
  let isAdmitted = false;
  const admit = () => {
    isAdmitted = true;
  };
  setHandler(admittedSignal, admit, {
    description:
      'Of the API, not for people: the session has its place and its hosts, and may go on.',
  });
  return {
    isAdmitted: () => isAdmitted,
    forget() {
      isAdmitted = false;
    },
  };
}
