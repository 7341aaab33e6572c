import { setHandler } from '@temporalio/workflow';
import { admittedSignal } from './messages.js';

export interface Admission {
  /** Whether the session was told, since the last `forget`, that it may go on. */
  readonly isAdmitted: () => boolean;
  /** Call before asking for something that the session may have to wait for: an earlier signal was about something else. */
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
      'Sent by the API, not by people: the session has its place and its hosts, and may go on.',
  });
  return {
    isAdmitted: () => isAdmitted,
    forget() {
      isAdmitted = false;
    },
  };
}
