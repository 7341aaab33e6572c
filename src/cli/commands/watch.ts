import { toSessionPath, type Command } from '../command.js';
import { createPatientApi } from '../events.js';
import { describeNow, followSession, toNews } from '../follow.js';
import {
  formatDuration,
  paint,
  print,
  printJson,
  printLines,
  setUnreadCode,
  printNotice,
  toMillis,
  toPlainLine,
  type Tone,
} from '../output.js';
import { describePhase, EXIT, isFailing, readReport, toExitCode } from '../report.js';
import type { Host, Phase, Session } from '../wire.js';

export const watch: Command = {
  summary: 'print phases, failing hosts, waits and holds as they happen',
  names: ['NAME'],
  options: {},
  notes: `With --json, prints events as {"event", "data"}, one per line.`,
  async run({ api, names: [name = ''], isJson, signal }) {
    setUnreadCode(EXIT.error);
    const narrator = createNarrator();
    let session: Session | undefined;
    const path = toSessionPath(name, 'events');
    for await (const event of followSession(api, { name, path, signal })) {
      if (event.event === 'session') session = event.data as Session;
      if (isJson) await printJson(event);
      else await printLines(narrator(event.event, event.data));
    }
    const patient = createPatientApi(api, { signal, notify: printNotice });
    session ??= await patient.ask<Session>('GET', toSessionPath(name));
    if (!isJson) {
      await print('\n');
      await printLines(await readReport(patient, session));
    }
    return session.status.session.status === 'complete' ? toExitCode(session) : EXIT.error;
  },
};

/** Renders what is new in each event. Every event has the whole state. */
function createNarrator(): (event: string, data: unknown) => readonly string[] {
  const shown = new Map<string, string>();
  const isNews = (about: string, text: string) => {
    if (shown.get(about) === text) return false;
    shown.set(about, text);
    return true;
  };
  const ends = new Map<string, string | null>();
  const forgetHosts = (phase: string) => {
    for (const about of shown.keys()) if (about.startsWith(`${phase}/`)) shown.delete(about);
  };
  const readers: Readonly<Record<string, (data: never) => readonly string[]>> = {
    phase: (phase: Phase) => {
      ends.set(phase.name, phase.state === 'running' ? null : phase.completion_time);
      const text = narratePhase(phase);
      if (text === undefined || !isNews(phase.name, text)) return [];
      if (isRerun(phase)) forgetHosts(phase.name);
      return [toLine(phase.name, text, { at: toMoment(phase) })];
    },
    hosts: ({ hosts }: { readonly hosts: readonly Host[] }) =>
      hosts
        .filter(isFailing)
        .filter((host) => isNews(`${host.phase}/${host.host}`, narrateHost(host)))
        .map((host) => {
          const text = `${host.host}: ${narrateHost(host)}`;
          return toLine(host.phase, text, { tone: 'red', at: ends.get(host.phase) ?? null });
        }),
    session: (session: Session) => {
      const text = describeNow(session);
      const state = session.status.session.status;
      if (state === 'complete' || !isNews('session', toNews(text)) || text === '') return [];
      return [toLine(state, text, { tone: 'yellow' })];
    },
  };
  return (event, data) => readers[event]?.(data as never) ?? [];
}

/** `at`: the time of the event. Null or absent: now. */
function toLine(
  about: string,
  text: string,
  { tone, at = null }: { readonly tone?: Tone; readonly at?: string | null },
): string {
  const moment = at === null ? new Date() : new Date(toMillis(at));
  const time = paint('dim', `${moment.toISOString().slice(11, 19)}Z`);
  const plain = toPlainLine(text);
  return `${time}  ${about.padEnd(15)}  ${tone === undefined ? plain : paint(tone, plain)}`;
}

/** Undefined if there is nothing to say yet. */
function narratePhase(phase: Phase): string | undefined {
  const { name, title, state, result, reruns, start_time: start, completion_time: end } = phase;
  if (state === 'pending') return undefined;
  const runs = reruns === 0 ? 'runs' : `runs again (${reruns})`;
  if (state === 'running') return `${runs}: ${title.replace(`${name}: `, '')}`;
  const took = result === 'unstarted' ? '' : `, after ${formatDuration(start, end)}`;
  return `ended: ${describePhase(phase)}${took}`;
}

function isRerun({ state, reruns }: Phase): boolean {
  return state === 'running' && reruns > 0;
}

/** If somebody watches late, the first events are old. Null: now; when a rerun began is not known. */
function toMoment(phase: Phase): string | null {
  if (isRerun(phase)) return null;
  return phase.state === 'running' ? phase.start_time : phase.completion_time;
}

function narrateHost({ unreachable, task, message }: Host): string {
  const what =
    unreachable > 0 ? 'could not be reached' : `failed${task === null ? '' : ` in "${task}"`}`;
  return message === null ? what : `${what}: ${message}`;
}
