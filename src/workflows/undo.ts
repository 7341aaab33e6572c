import { toStepFailure } from '../core/step-failure.js';

/** How to take back what a session makes outside the database. An entry is added before the thing is made. */
export interface UndoList {
  readonly add: (what: string, undo: () => Promise<unknown>) => void;
  /** Tries each entry, the last one first. Returns what could not be undone within its time, with the cause. */
  readonly undoAll: () => Promise<readonly string[]>;
}

export function createUndoList(): UndoList {
  const entries: { readonly what: string; readonly undo: () => Promise<unknown> }[] = [];
  return {
    add: (what, undo) => {
      entries.unshift({ what, undo });
    },
    undoAll: async () => {
      // As they are now: a run whose job is lost may still add one.
      const leftovers: string[] = [];
      for (const { what, undo } of [...entries]) {
        try {
          await undo();
        } catch (error) {
          leftovers.push(`${what} (${toStepFailure(error).message})`);
        }
      }
      return leftovers;
    },
  };
}
