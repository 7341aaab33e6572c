import type { Api } from './api.js';
import { toSessionPath } from './command.js';
import {
  formatDuration,
  paint,
  readColumns,
  renderTable,
  toPlainLine,
  type Tone,
} from './output.js';
import { readHosts } from './pages.js';
import type { Host, Phase, Phases, Session } from './wire.js';

/** Exit codes of the program. */
export const EXIT = { well: 0, sessionFailed: 1, error: 2, interrupted: 130 } as const;

const HOSTS_SHOWN = 20;
/** The most parts of a limit that are shown. */
const PARTS_SHOWN = 10;
const INDENT = '  ';

/** For a host without failures that did not reach the end of its play. */
const CUT_SHORT = '(cut short by a failure on another host)';
/** The results of the phase `inventory` are what the limit names and the inventory does not have, or only as a group. */
const MISSING = '(no host of the inventory)';

export function toExitCode({ status }: Session): number {
  return status.session.succeeded === 'true' ? EXIT.well : EXIT.sessionFailed;
}

/** One word, with a colour if the session has ended or is held. */
export function describeState({ status }: Session): {
  readonly word: string;
  readonly tone?: Tone;
} {
  const { status: state, succeeded, reason, held_until: heldUntil } = status.session;
  if (heldUntil !== null) return { word: 'held', tone: 'yellow' };
  if (state !== 'complete') return { word: state };
  if (succeeded === 'true') return { word: 'succeeded', tone: 'green' };
  return { word: reason ?? (succeeded === 'unknown' ? 'unknown' : 'failed'), tone: 'red' };
}

/** Reports a session; if it failed or is held, with the first hosts that failed in the phase that failed. */
export async function readReport(api: Api, session: Session): Promise<readonly string[]> {
  const { phases } = await api.ask<Phases>('GET', toSessionPath(session.name, 'phases'));
  const { phase, succeeded, held_until: heldUntil } = session.status.session;
  const failing: Host[] = [];
  if ((succeeded === 'false' || heldUntil !== null) && phase !== null)
    for await (const hosts of readHosts(api, session.name, phase)) {
      failing.push(...hosts.filter(isFailing));
      if (failing.length > HOSTS_SHOWN) break;
    }
  const more =
    failing.length > HOSTS_SHOWN ? [`  … more with: keelson hosts ${session.name} --failed`] : [];
  return [...renderReport(session, phases, failing.slice(0, HOSTS_SHOWN)), ...more];
}

/** Renders the state of a session, its phases, and the given hosts. */
export function renderReport(
  session: Session,
  phases: readonly Phase[],
  hosts: readonly Host[],
): readonly string[] {
  return [
    ...renderSession(session),
    ...(phases.length === 0 ? [] : ['', paint('bold', 'Phases'), ...indent(renderPhases(phases))]),
    ...(hosts.length === 0 ? [] : ['', paint('bold', 'Hosts'), ...indent(renderHosts(hosts))]),
  ];
}

function renderSession(session: Session): readonly string[] {
  const { word, tone } = describeState(session);
  const { status, configuration, ansible, logs } = session;
  const now = status.session;
  const facts: Readonly<Record<string, string | number | null>> = {
    configuration: configuration.name,
    'layers limit': configuration.limit,
    'hosts limit': shorten(ansible.limit ?? ''),
    'check mode': describeCheck(session),
    'apply of': now.apply_of,
    'retry of': now.retry_of,
    started: `${now.start_time}Z`,
    took: now.status === 'pending' ? null : formatDuration(now.start_time, now.completion_time),
    'queue place': now.queue_place,
    phase: now.phase,
    host: now.host,
    task: now.task,
    message: now.message,
    'held until': now.held_until,
    shell: now.hold_command,
    'run again': now.held_until === null ? null : `keelson rerun ${session.name}`,
    'let it fail': now.held_until === null ? null : `keelson release ${session.name}`,
    'do the rest': now.succeeded === 'false' ? `keelson retry ${session.name}` : null,
    images: status.artifacts.map(({ result_id: id }) => String(id)).join(', '),
    log: logs,
    workflow: now.job,
  };
  return [
    `${paint('bold', `Session ${session.name}`)} ${tone === undefined ? word : paint(tone, word)}`,
    ...Object.entries(facts)
      .filter(([, value]) => value !== null && value !== '')
      .map(([name, value]) => `  ${name.padEnd(15)} ${toPlainLine(String(value))}`),
  ];
}

/** A limit may name thousands of hosts. */
function shorten(limit: string): string {
  const parts = limit.split(',');
  if (parts.length <= PARTS_SHOWN) return limit;
  return `${parts.slice(0, PARTS_SHOWN).join(',')} and ${parts.length - PARTS_SHOWN} more (--json shows them)`;
}

function describeCheck({ name, status }: Session): string | null {
  const { check_mode: isCheck, succeeded } = status.session;
  if (!isCheck) return null;
  const what = 'nothing is changed; the log shows what would change';
  return succeeded === 'true' ? `${what}. To apply it: keelson apply ${name}` : what;
}

function renderPhases(phases: readonly Phase[]): readonly string[] {
  return renderTable(
    ['phase', 'ended', 'took', 'log bytes'],
    phases.map((phase) => [
      phase.title,
      describePhase(phase),
      formatDuration(phase.start_time, phase.state === 'pending' ? null : phase.completion_time),
      phase.log_bytes,
    ]),
    { shrunk: 0, columns: readColumns(INDENT.length) },
  );
}

export function describePhase(phase: Phase): string {
  const { state, result, exit_code: exitCode, reason } = phase;
  if (result === 'exited') return `exit ${exitCode}`;
  return reason ?? result ?? (isHeld(phase) ? 'held' : state);
}

export function isHeld({ hold, log_complete: isOver }: Phase): boolean {
  return hold !== null && !hold.released && !hold.rerun && !isOver;
}

export function renderHosts(hosts: readonly Host[]): readonly string[] {
  return renderTable(
    ['phase', 'host', 'ok', 'changed', 'failed', 'skipped', 'unreachable', 'failing task'],
    hosts.map(({ phase, host, ok, changed, failed, skipped, unreachable, incomplete, task }) => [
      ...[phase, host, ok, changed, failed, skipped, unreachable],
      task ?? (incomplete ? CUT_SHORT : phase === 'inventory' ? MISSING : ''),
    ]),
  );
}

export function isFailing({ failed, unreachable }: Host): boolean {
  return failed > 0 || unreachable > 0;
}

function indent(lines: readonly string[]): readonly string[] {
  return lines.map((line) => `${INDENT}${line}`);
}
