import { setTimeout as sleep } from 'node:timers/promises';
import { ApiError, type Api } from './api.js';
import { toSessionPath, type CommandInput } from './command.js';
import { followToEnd } from './follow.js';
import { printJson, printLines, tell, toMillis } from './output.js';
import { EXIT } from './report.js';
import type { Session } from './wire.js';

const REPEAT_MS = 1_000;
/** As long as a service takes that starts again. */
const GIVE_UP_MS = 60_000;
/** At most, those of the processes of one service. */
const CLOCKS_DIFFER_SECONDS = 10;

interface Start {
  /** What makes it, by a POST. */
  readonly path: string;
  readonly body: object;
  /** That it has, or is given where the request has none. */
  readonly name: string;
  /** Whether a session of this name may be the one. */
  readonly isAskedFor: (there: Session) => boolean;
}

/**
 * Exactly one session, whatever becomes of the answers: names are taken once, so the same request is sent until it is
 * answered, and a name that was taken since then is this session's.
 */
export async function startOnce(input: CommandInput, start: Start): Promise<Session> {
  const { signal } = input;
  const onAbort = () => {
    tell(`It may have been started as session ${start.name}: keelson show ${start.name} tells.`);
  };
  signal.addEventListener('abort', onAbort);
  try {
    return await post(input, start);
  } finally {
    signal.removeEventListener('abort', onAbort);
  }
}

/** With `--follow` all that becomes of it, else how to go on. Resolves with the exit code. */
export async function tellStarted(
  { api, values, isJson, signal }: CommandInput,
  session: Session,
): Promise<number> {
  const { name } = session;
  if (values['follow'] === true) {
    tell(`Session ${name} was started.`);
    return followToEnd(api, name, { isJson, signal });
  }
  if (isJson) await printJson(session);
  else
    await printLines([
      `Session ${name} was started.`,
      `  keelson logs -f ${name}    its log, live`,
      `  keelson watch ${name}      its phases, and what goes wrong`,
    ]);
  return EXIT.well;
}

async function post({ api, signal }: CommandInput, start: Start): Promise<Session> {
  const begunAt = Date.now();
  for (let isRepeat = false; ; isRepeat = true) {
    try {
      return await ask(api, start, isRepeat ? begunAt : undefined);
    } catch (error) {
      signal.throwIfAborted();
      if (!(error instanceof ApiError)) throw error;
      if (!error.isPassing || Date.now() > begunAt + GIVE_UP_MS) throw error;
      if (!isRepeat) tell(`${error.message} Tries again, for a minute …`);
      await sleep(error.retryAfterMs ?? REPEAT_MS, undefined, { signal });
    }
  }
}

/** `begunAt`: when the same was asked for the first time, so that it may be there already. */
async function ask(api: Api, start: Start, begunAt: number | undefined): Promise<Session> {
  try {
    return await api.ask<Session>('POST', start.path, start.body);
  } catch (error) {
    if (begunAt === undefined || !(error instanceof ApiError) || error.status !== 409) throw error;
    const there = await find(api, start.name);
    if (there === undefined || !start.isAskedFor(there)) throw error;
    if (isBefore(there, error, (Date.now() - begunAt) / 1_000)) throw error;
    return there;
  }
}

async function find(api: Api, name: string): Promise<Session | undefined> {
  try {
    return await api.ask<Session>('GET', toSessionPath(name));
  } catch (error) {
    if (error instanceof ApiError && error.status === 404) return undefined;
    throw error;
  }
}

/** Whether a session was there before this program asked for it, by the clock of the service. */
function isBefore({ status }: Session, { date }: ApiError, askedForSeconds: number): boolean {
  if (date === undefined) return false;
  const ageSeconds = (date - toMillis(status.session.start_time)) / 1_000;
  return ageSeconds > askedForSeconds + CLOCKS_DIFFER_SECONDS;
}
