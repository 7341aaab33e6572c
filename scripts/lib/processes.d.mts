export function findProcesses(what: {
  readonly pids?: readonly number[];
  readonly marks?: readonly string[];
  readonly texts?: readonly string[];
}): number[];
export function endProcesses(find: () => number[], graceMs?: number): Promise<void>;
