import { setTimeout as sleep } from 'node:timers/promises';
import { ApiError, type Api } from './api.js';
import { toSessionPath, type CommandInput } from './command.js';
import { followToEnd } from './follow.js';
import { printJson, printLines, printNotice, toMillis } from './output.js';
import { EXIT } from './report.js';
import type { Session } from './wire.js';

const REPEAT_MS = 1_000;
/** Longer than a service takes to start again. */
const GIVE_UP_MS = 60_000;
/** The most by which the clocks of one service's processes differ. */
const CLOCKS_DIFFER_SECONDS = 10;

interface Start {
  /** Path of the POST that creates the session. */
  readonly path: string;
  readonly body: object;
  /** Name of the new session: as in the body, or the service's default. */
  readonly name: string;
  /** Whether an existing session of this name may come from this request. */
  readonly isAskedFor: (there: Session) => boolean;
}

/**
 * Starts exactly one session, even if answers are lost. The request is repeated until it is answered. Names are unique, so if
 * the name has been taken since the first request, the session that has it is the one that was asked for.
 */
export async function startOnce(input: CommandInput, start: Start): Promise<Session> {
  const { signal } = input;
  const onAbort = () => {
    printNotice(
      `It may have been started as session ${start.name}: see keelson show ${start.name}`,
    );
  };
  signal.addEventListener('abort', onAbort);
  try {
    return await post(input, start);
  } finally {
    signal.removeEventListener('abort', onAbort);
  }
}

/** Follows the session with `--follow`, else prints how to continue. Resolves with the exit code. */
export async function reportStart(
  { api, values, isJson, signal }: CommandInput,
  session: Session,
): Promise<number> {
  const { name } = session;
  if (values['follow'] === true) {
    printNotice(`Session ${name} was started.`);
    return followToEnd(api, name, { isJson, signal });
  }
  if (isJson) await printJson(session);
  else
    await printLines([
      `Session ${name} was started.`,
      `  keelson logs -f ${name}    follow its log`,
      `  keelson watch ${name}      follow its phases and failures`,
    ]);
  return EXIT.well;
}

function post(input: CommandInput, start: Start): Promise<Session> {
  return untilAnswered(input, (begunAt) => ask(input.api, start, begunAt));
}

/**
 * Repeats a request for a minute while it gets no answer. `begunAt`: the time of the first request by `performance.now()`,
 * because a clock may be set, if this is a repeat.
 */
export async function untilAnswered<T>(
  { signal }: Pick<CommandInput, 'signal'>,
  request: (begunAt: number | undefined) => Promise<T>,
): Promise<T> {
  const begunAt = performance.now();
  for (let isRepeat = false; ; isRepeat = true) {
    try {
      return await request(isRepeat ? begunAt : undefined);
    } catch (error) {
      signal.throwIfAborted();
      if (!(error instanceof ApiError)) throw error;
      const isTooLate = isRepeat && performance.now() > begunAt + GIVE_UP_MS;
      if (!error.isPassing || isTooLate) throw error;
      if (!isRepeat) printNotice(`${error.message} Trying again for a minute …`);
      await sleep(error.retryAfterMs ?? REPEAT_MS, undefined, { signal });
    }
  }
}

/** `begunAt`: as in `untilAnswered`. If the request is a repeat, the session may already exist. */
async function ask(api: Api, start: Start, begunAt: number | undefined): Promise<Session> {
  try {
    return await api.ask<Session>('POST', start.path, start.body);
  } catch (error) {
    if (begunAt === undefined || !(error instanceof ApiError) || error.status !== 409) throw error;
    const there = await find(api, start.name);
    if (there === undefined || !start.isAskedFor(there)) throw error;
    if (isBefore(there, error, (performance.now() - begunAt) / 1_000)) throw error;
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

/** Whether the session existed before the first request, by the service's clock. */
function isBefore({ status }: Session, { date }: ApiError, askedForSeconds: number): boolean {
  if (date === undefined) return false;
  const ageSeconds = (date - toMillis(status.session.start_time)) / 1_000;
  return ageSeconds > askedForSeconds + CLOCKS_DIFFER_SECONDS;
}
