export function findProcesses(pid: number | undefined, mark?: string): number[];
export function endProcesses(find: () => number[], graceMs?: number): Promise<void>;
