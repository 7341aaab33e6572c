import { randomInt } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { parse } from 'yaml';
import { ApiError, type Api } from '../api.js';
import {
  readText,
  readTexts,
  toSessionPath,
  UsageError,
  type Command,
  type CommandInput,
  type Values,
} from '../command.js';
import { followToEnd } from '../follow.js';
import { printJson, printLines, tell, toMillis } from '../output.js';
import { EXIT } from '../report.js';
import type { Session } from '../wire.js';

const MAX_NAME = 45;
const DRAWN = 6;
const REPEAT_MS = 1_000;
/** As long as a service takes that starts again. */
const GIVE_UP_MS = 60_000;
/** At most, those of the processes of one service. */
const CLOCKS_DIFFER_SECONDS = 10;

export const run: Command = {
  summary: 'start a session',
  names: ['CONFIGURATION'],
  options: {
    name: { type: 'string' },
    limit: { type: 'string' },
    'configuration-limit': { type: 'string' },
    tag: { type: 'string', multiple: true },
    verbosity: { type: 'string' },
    passthrough: { type: 'string' },
    check: { type: 'boolean' },
    'debug-on-failure': { type: 'boolean' },
    request: { type: 'string' },
    follow: { type: 'boolean', short: 'f' },
  },
  optionHelp: [
    ['--name NAME', `of the session; default: the configuration's, and six characters`],
    ['--limit HOSTS', 'ansible_limit: hosts and groups, as ansible-playbook has them'],
    ['--configuration-limit L', 'layers, by number or name, separated by commas'],
    ['--tag KEY=VALUE', 'as often as you like'],
    ['--verbosity 0…4', ''],
    ['--passthrough=TEXT', `ansible_passthrough: --passthrough='--tags ssh'`],
    ['--check', "Ansible's check mode: the log has what would change, and nothing is changed"],
    ['--debug-on-failure', 'a playbook that fails is held, for a look at what it saw'],
    ['--request FILE', 'JSON or YAML with whatever else a session may have, such as target'],
    ['-f, --follow', 'its log until the end, then how it ended'],
  ],
  async run(input) {
    const {
      api,
      values,
      names: [configuration = ''],
      signal,
    } = input;
    const body = toRequest(configuration, values);
    const onAbort = () => {
      const name = String(body.name);
      tell(`It may have been started as session ${name}: keelson show ${name} tells.`);
    };
    signal.addEventListener('abort', onAbort);
    const session = await createSession(api, body, signal);
    signal.removeEventListener('abort', onAbort);
    return tellStarted(input, session);
  },
};

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

function toRequest(configuration: string, values: Values) {
  const given = {
    ansible_limit: readText(values, 'limit'),
    configuration_limit: readText(values, 'configuration-limit'),
    ansible_passthrough: readText(values, 'passthrough'),
    ansible_verbosity: readVerbosity(values),
    check_mode: values['check'],
    debug_on_failure: values['debug-on-failure'],
  };
  const tags = readTexts(values, 'tag').map(toTag);
  return {
    name: readText(values, 'name') ?? toName(configuration),
    ...readRequest(readText(values, 'request')),
    ...(values['name'] === undefined ? {} : { name: values['name'] }),
    configuration_name: configuration,
    ...Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined)),
    ...(tags.length === 0 ? {} : { tags: Object.fromEntries(tags) }),
  };
}

function readVerbosity(values: Values): number | undefined {
  const text = readText(values, 'verbosity');
  if (text === undefined) return undefined;
  if (!/^[0-4]$/.test(text)) throw new UsageError(`--verbosity: "${text}" is not 0, 1, 2, 3 or 4.`);
  return Number(text);
}

function toTag(text: string): [string, string] {
  const [, key, value] = /^([^=]+)=(.*)$/s.exec(text) ?? [];
  if (key === undefined || value === undefined)
    throw new UsageError(`--tag: "${text}" is not of the form KEY=VALUE.`);
  return [key, value];
}

function readRequest(path: string | undefined): object {
  if (path === undefined) return {};
  const request: unknown = parse(readFileSync(path, 'utf8'));
  if (typeof request === 'object' && request !== null && !Array.isArray(request)) return request;
  throw new UsageError(`--request: ${path} does not hold an object.`);
}

/** Of what the name of a session may have. */
function toName(configuration: string): string {
  const drawn = randomInt(36 ** DRAWN)
    .toString(36)
    .padStart(DRAWN, '0');
  const base = configuration.toLowerCase().replace(/[^a-z0-9]+/g, '-');
  const cut = base.slice(0, MAX_NAME - DRAWN - 1).replace(/^-|-$/g, '');
  return cut === '' ? drawn : `${cut}-${drawn}`;
}

/**
 * Exactly one session, whatever becomes of the answers: names are taken once, so the same request is sent until it is
 * answered, and a name that was taken since then is this session's.
 */
async function createSession(
  api: Api,
  body: { readonly name: unknown; readonly configuration_name: string },
  signal: AbortSignal,
): Promise<Session> {
  const begunAt = Date.now();
  for (let isRepeat = false; ; isRepeat = true) {
    try {
      return await api.ask<Session>('POST', '/v3/sessions', body);
    } catch (error) {
      signal.throwIfAborted();
      if (!(error instanceof ApiError)) throw error;
      if (isRepeat && error.status === 409) {
        const there = await api.ask<Session>('GET', toSessionPath(String(body.name)));
        const isOlder = isBefore(there, error, (Date.now() - begunAt) / 1_000);
        if (there.configuration.name !== body.configuration_name || isOlder) throw error;
        return there;
      }
      if (!error.isPassing || Date.now() > begunAt + GIVE_UP_MS) throw error;
      if (!isRepeat) tell(`${error.message} Tries again, for a minute …`);
      await sleep(error.retryAfterMs ?? REPEAT_MS, undefined, { signal });
    }
  }
}

/** Whether a session was there before this program asked for it, by the clock of the service. */
function isBefore({ status }: Session, { date }: ApiError, askedForSeconds: number): boolean {
  if (date === undefined) return false;
  const ageSeconds = (date - toMillis(status.session.start_time)) / 1_000;
  return ageSeconds > askedForSeconds + CLOCKS_DIFFER_SECONDS;
}
