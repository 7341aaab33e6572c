import { setTimeout as sleep } from 'node:timers/promises';
import type { Api } from './api.js';
import { toSessionPath } from './command.js';
import { createPatientApi, followEvents, type SessionEvent } from './events.js';
import { print, printJson, printLines, printNotice, setUnreadCode } from './output.js';
import { toQuery } from './pages.js';
import { EXIT, readReport, toExitCode } from './report.js';
import type { Session } from './wire.js';

const RECORD_MS = 500;

export interface Following {
  readonly phase?: string;
  /** Whether the session is known to exist, so that the first request, too, may wait for the service. */
  readonly isKnown?: boolean;
  readonly isJson: boolean;
  readonly signal: AbortSignal;
}

interface SessionStream extends Pick<Following, 'isKnown' | 'signal'> {
  readonly name: string;
  readonly path: string;
}

/** Follows a stream of a session. After Ctrl-C it says that the session continues. */
export async function* followSession(
  api: Api,
  { name, path, signal, isKnown = false }: SessionStream,
): AsyncGenerator<SessionEvent, void, undefined> {
  const onAbort = () => {
    printNotice(
      `No longer following. Session ${name} has not been stopped: keelson cancel ${name} stops it.`,
    );
  };
  signal.addEventListener('abort', onAbort, { once: true });
  try {
    yield* followEvents(api, path, { signal, notify: printNotice, isKnown });
  } finally {
    signal.removeEventListener('abort', onAbort);
  }
}

/**
 * Prints the log as it grows, until its end, byte for byte, and, to standard error, what the session waits for, because its log
 * says so only when the wait is over.
 */
export async function followLog(api: Api, name: string, following: Following): Promise<void> {
  const over = new AbortController();
  const waits = printWaits(api, name, AbortSignal.any([over.signal, following.signal]));
  try {
    await printLog(api, name, following);
  } finally {
    over.abort();
    await waits;
  }
}

async function printLog(
  api: Api,
  name: string,
  { phase, isKnown = false, isJson, signal }: Following,
): Promise<void> {
  const path = toLogPath(name, phase);
  for await (const { data } of followSession(api, { name, path, signal, isKnown })) {
    if (isJson) await printJson(data);
    else await print(toBytes(data as { readonly text?: string; readonly base64?: string }));
  }
}

export function toLogPath(name: string, phase: string | undefined): string {
  const path = toSessionPath(name, 'logs');
  return phase === undefined ? path : `${path}?${toQuery({ phase })}`;
}

/** Bytes that are not text arrive as base64. */
function toBytes({ text, base64 }: { readonly text?: string; readonly base64?: string }) {
  return text ?? Buffer.from(base64 ?? '', 'base64');
}

/**
 * Prints the log of an existing session, then how it ended; waits for the service whenever it does not answer. Resolves with
 * the exit code.
 */
export async function followToEnd(api: Api, name: string, following: Following): Promise<number> {
  // A reader that leaves early must not take this for a success.
  setUnreadCode(EXIT.error);
  await followLog(api, name, { ...following, isKnown: true });
  const patient = createPatientApi(api, { signal: following.signal, notify: printNotice });
  const session = await waitForRecord(patient, name, following.signal);
  if (following.isJson) await printJson(session);
  else await printLines(['', ...(await readReport(patient, session))]);
  return toExitCode(session);
}

async function printWaits(api: Api, name: string, signal: AbortSignal): Promise<void> {
  const path = toSessionPath(name, 'events');
  let shown = '';
  try {
    const options = { signal, notify: () => undefined, isKnown: true };
    for await (const { event, data } of followEvents(api, path, options)) {
      if (event !== 'session') continue;
      const text = describeNow(data as Session);
      if (text !== '' && toNews(text) !== shown) printNotice(text);
      shown = toNews(text);
    }
  } catch {
    // The log is followed at the same time and reports any error.
  }
}

/** Says what the session waits for, or that it is held; empty if neither, or if it is complete. */
export function describeNow({ name, status }: Session): string {
  const { status: state, message, held_until: until, hold_command: command } = status.session;
  if (state === 'complete') return '';
  const held =
    until === null ? undefined : `held until ${until}: ${command}; then keelson rerun ${name}`;
  return [message, held].filter((part) => part != null).join(' ');
}

/**
 * Equal for two texts of `describeNow` of which the second is no news: silent hosts that come back one by one would otherwise
 * print a line each.
 */
export function toNews(text: string): string {
  return text.replace(
    /from (\d+) hosts? (in task ".*") since .*/,
    (_, hosts: string, task: string) => `${Number(hosts).toString(2).length} ${task}`,
  );
}

/** The log ends a moment before the record is complete. */
async function waitForRecord(api: Api, name: string, signal: AbortSignal): Promise<Session> {
  for (;;) {
    const session = await api.ask<Session>('GET', toSessionPath(name));
    if (session.status.session.status === 'complete') return session;
    await sleep(RECORD_MS, undefined, { signal });
  }
}
