import { toStepFailure } from '../core/step-failure.js';

/** How to undo what a session makes outside the database. An entry is added before the thing is made. */
export interface UndoList {
  readonly add: (what: string, undo: () => Promise<unknown>) => void;
  /** Runs each entry, the last one first. Returns what could not be undone, with the cause. */
  readonly undoAll: () => Promise<readonly string[]>;
}

export function createUndoList(): UndoList {
  const entries: { readonly what: string; readonly undo: () => Promise<unknown> }[] = [];
  return {
    add: (what, undo) => {
      entries.unshift({ what, undo });
    },
    undoAll: async () => {
      const leftovers: string[] = [];
      // A copy, because a run whose job is lost may still add an entry.
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
