import { isSuccess, type PhaseResult, type SessionPhaseKind } from './job.js';

/** What the workflow shows of a phase before it runs. */
export interface PhaseOutline {
  readonly name: string;
  readonly kind: SessionPhaseKind;
  /** `ansible-1: site.yml` */
  readonly title: string;
}

export interface PhaseReturn {
  readonly result: PhaseResult;
  readonly hosts: {
    readonly hosts: number;
    readonly failedHosts: number;
    readonly unreachableHosts: number;
  };
}

export type Progress = readonly PhaseProgress[];

export interface PhaseProgress extends PhaseOutline {
  readonly startedAt?: number;
  readonly endedAt?: number;
  readonly end?: PhaseReturn;
}

export function startPhase(progress: Progress, name: string, now: number): Progress {
  return progress.map((phase) => (phase.name === name ? { ...phase, startedAt: now } : phase));
}

export function endPhase(
  progress: Progress,
  name: string,
  end: PhaseReturn,
  now: number,
): Progress {
  return progress.map((phase) => (phase.name === name ? { ...phase, end, endedAt: now } : phase));
}

/** A small Markdown table for the Web UI. */
export function renderProgress(progress: Progress): string {
  const rows = progress.map(
    (phase) =>
      `| ${escape(phase.title)} | ${toState(phase)} | ${toDuration(phase)} | ${toHosts(phase)} |`,
  );
  return ['| phase | state | time | hosts |', '| --- | --- | --- | --- |', ...rows].join('\n');
}

function toState({ startedAt, end }: PhaseProgress): string {
  if (end === undefined) return startedAt === undefined ? 'waiting' : 'running';
  if (isSuccess(end.result)) return 'succeeded';
  switch (end.result.kind) {
    case 'exited':
      return `failed (exit code ${end.result.exitCode})`;
    case 'killed':
    case 'unstarted':
      return end.result.reason;
  }
}

function toDuration({ startedAt, endedAt }: PhaseProgress): string {
  if (startedAt === undefined || endedAt === undefined) return '';
  return `${((endedAt - startedAt) / 1000).toFixed(1)} s`;
}

function toHosts({ end }: PhaseProgress): string {
  if (end === undefined || end.hosts.hosts === 0) return '';
  const { hosts, failedHosts, unreachableHosts } = end.hosts;
  const bad = [
    ...(failedHosts > 0 ? [`${failedHosts} failed`] : []),
    ...(unreachableHosts > 0 ? [`${unreachableHosts} unreachable`] : []),
  ];
  return [`${hosts - failedHosts - unreachableHosts} ok`, ...bad].join(', ');
}

function escape(text: string): string {
  return text.replace(/[|\n]/g, ' ');
}
