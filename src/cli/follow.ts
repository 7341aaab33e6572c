import { setTimeout as sleep } from 'node:timers/promises';
import type { Api } from './api.js';
import { toSessionPath } from './command.js';
import { createPatientApi, followEvents, type SessionEvent } from './events.js';
import { print, printJson, printLines, setUnreadCode, tell } from './output.js';
import { EXIT, renderReport, toExitCode } from './report.js';
import type { Host, Hosts, Phases, Session } from './wire.js';

const HOSTS_SHOWN = 20;
const HOSTS_PER_PAGE = 1_000;
const RECORD_MS = 500;

export interface Following {
  readonly phase?: string;
  /** Whether the session is known to be there, so that a service that is away is waited for. */
  readonly isKnown?: boolean;
  readonly isJson: boolean;
  readonly signal: AbortSignal;
}

/** A stream of a session; whoever interrupts it learns that the session goes on. */
export async function* followSession(
  api: Api,
  {
    name,
    path,
    signal,
    isKnown = false,
  }: {
    readonly name: string;
    readonly path: string;
    readonly signal: AbortSignal;
    readonly isKnown?: boolean;
  },
): AsyncGenerator<SessionEvent, void, undefined> {
  const onAbort = () => {
    tell(
      `No longer follows. Session ${name} is not stopped by that: keelson cancel ${name} would.`,
    );
  };
  signal.addEventListener('abort', onAbort, { once: true });
  try {
    yield* followEvents(api, path, { signal, tell, isKnown });
  } finally {
    signal.removeEventListener('abort', onAbort);
  }
}

/** The log as it grows, to its end; the same bytes as it has later. */
export async function followLog(
  api: Api,
  name: string,
  { phase, isKnown = false, isJson, signal }: Following,
): Promise<void> {
  const query = phase === undefined ? '' : `?${new URLSearchParams({ phase }).toString()}`;
  const path = `${toSessionPath(name, 'logs')}${query}`;
  for await (const { data } of followSession(api, { name, path, signal, isKnown })) {
    if (isJson) await printJson(data);
    else await print(toBytes(data as { readonly text?: string; readonly base64?: string }));
  }
}

/** What is no text comes in another form. */
function toBytes({ text, base64 }: { readonly text?: string; readonly base64?: string }) {
  return text ?? Buffer.from(base64 ?? '', 'base64');
}

/** The log of a session that is there, then how it ended, however often the service is away. Resolves with the exit code. */
export async function followToEnd(api: Api, name: string, following: Following): Promise<number> {
  // Whoever leaves early must not take it for a success.
  setUnreadCode(EXIT.error);
  const over = new AbortController();
  const waits = tellWaits(api, name, AbortSignal.any([over.signal, following.signal]));
  try {
    await followLog(api, name, { ...following, isKnown: true });
  } finally {
    over.abort();
    await waits;
  }
  const patient = createPatientApi(api, { signal: following.signal, tell });
  const session = await waitForRecord(patient, name, following.signal);
  if (following.isJson) await printJson(session);
  else await printLines(['', ...(await readReport(patient, session))]);
  return toExitCode(session);
}

/** What a session waits for is not in its log until the wait is over. */
async function tellWaits(api: Api, name: string, signal: AbortSignal): Promise<void> {
  const path = toSessionPath(name, 'events');
  let told = '';
  try {
    for await (const { event, data } of followEvents(api, path, {
      signal,
      tell: () => undefined,
      isKnown: true,
    })) {
      const text = event === 'session' ? describeNow(data as Session) : '';
      if (text !== '' && text !== told) tell(text);
      told = event === 'session' ? text : told;
    }
  } catch {
    // Who follows the log hears of whatever goes wrong.
  }
}

/** What a session that has not ended waits for, or that it is held. */
export function describeNow({ status }: Session): string {
  const { status: state, message, held_until: until, hold_command: command } = status.session;
  if (state === 'complete') return '';
  const held = until === null ? undefined : `held until ${until}: ${command}`;
  return [message, held].filter((part) => part != null).join(' ');
}

/** Its log ends a moment before its record is complete. */
async function waitForRecord(api: Api, name: string, signal: AbortSignal): Promise<Session> {
  for (;;) {
    const session = await api.ask<Session>('GET', toSessionPath(name));
    if (session.status.session.status === 'complete') return session;
    await sleep(RECORD_MS, undefined, { signal });
  }
}

/** With the hosts of the phase that failed, the first of those that failed there. */
export async function readReport(api: Api, session: Session): Promise<readonly string[]> {
  const { phases } = await api.ask<Phases>('GET', toSessionPath(session.name, 'phases'));
  const { phase, succeeded } = session.status.session;
  const failing: Host[] = [];
  if (succeeded === 'false' && phase !== null)
    for await (const hosts of readHosts(api, session.name, phase)) {
      failing.push(...hosts.filter(isFailing));
      if (failing.length > HOSTS_SHOWN) break;
    }
  const more =
    failing.length > HOSTS_SHOWN ? [`  … more with: keelson hosts ${session.name} --failed`] : [];
  return [...renderReport(session, phases, failing.slice(0, HOSTS_SHOWN)), ...more];
}

/** Page by page. */
export async function* readHosts(
  api: Api,
  name: string,
  phase?: string,
): AsyncGenerator<readonly Host[], void, undefined> {
  let query = new URLSearchParams({ limit: String(HOSTS_PER_PAGE), ...(phase && { phase }) });
  for (;;) {
    const path = `${toSessionPath(name, 'hosts')}?${query.toString()}`;
    const { hosts, next } = await api.ask<Hosts>('GET', path);
    yield hosts;
    if (next === null) return;
    query = toQuery(next);
  }
}

/** Parameters that are given; `next` of a list has all, as they are to be sent back. */
export function toQuery(parameters: Readonly<Record<string, unknown>>): URLSearchParams {
  const given = Object.entries(parameters).filter(([, value]) => value != null);
  return new URLSearchParams(given.map(([name, value]): [string, string] => [name, String(value)]));
}

/** Whether its playbook did not do on it what it was to do. */
export function isFailing({ failed, unreachable }: Host): boolean {
  return failed > 0 || unreachable > 0;
}
