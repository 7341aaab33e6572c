import { randomInt } from 'node:crypto';
import { parse } from 'yaml';
import { omitUndefined } from '../../core/omit-undefined.js';
import { readText, readTexts, UsageError, type Command, type Values } from '../command.js';
import { readGiven } from '../input.js';
import { startOnce, reportStart } from '../start.js';

const MAX_NAME = 45;
const DRAWN = 6;

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
    ['--name NAME', `default: the configuration's name and six random characters`],
    ['--limit HOSTS', 'ansible_limit: hosts and groups, as for ansible-playbook'],
    ['--configuration-limit L', 'layers to apply, by number or name, separated by commas'],
    ['--tag KEY=VALUE', 'tag of the session; may be repeated'],
    ['--verbosity 0…4', 'how many -v ansible-playbook gets'],
    ['--passthrough=TEXT', `more options of ansible-playbook: --passthrough='--tags ssh'`],
    ['--check', 'check mode: change nothing; the log shows what would change'],
    ['--debug-on-failure', 'hold a playbook that fails, so that you can look at what it saw'],
    ['--request FILE', 'other members of the request, such as target: JSON or YAML; -: stdin'],
    ['-f, --follow', 'print the log until the end, then how the session ended'],
  ],
  async run(input) {
    const {
      values,
      names: [configuration = ''],
    } = input;
    const body = await toRequest(configuration, values, input.signal);
    const session = await startOnce(input, {
      path: '/v3/sessions',
      body,
      name: String(body.name),
      isAskedFor: (there) => there.configuration.name === configuration,
    });
    return reportStart(input, session);
  },
};

async function toRequest(configuration: string, values: Values, signal: AbortSignal) {
  const given = omitUndefined({
    name: values['name'],
    ansible_limit: readText(values, 'limit'),
    configuration_limit: readText(values, 'configuration-limit'),
    ansible_passthrough: readText(values, 'passthrough'),
    ansible_verbosity: readVerbosity(values),
    check_mode: values['check'],
    debug_on_failure: values['debug-on-failure'],
  });
  const tags = readTexts(values, 'tag').map(toTag);
  return {
    name: readText(values, 'name') ?? toName(configuration),
    ...(await readRequest(readText(values, 'request'), signal)),
    ...given,
    configuration_name: configuration,
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

async function readRequest(path: string | undefined, signal: AbortSignal): Promise<object> {
  if (path === undefined) return {};
  const request: unknown = parse(await readGiven(path, signal));
  if (typeof request === 'object' && request !== null && !Array.isArray(request)) return request;
  throw new UsageError(`--request: ${path} does not hold an object.`);
}

/** Makes a session name from the characters that it may have. */
function toName(configuration: string): string {
  const drawn = randomInt(36 ** DRAWN)
    .toString(36)
    .padStart(DRAWN, '0');
  const base = configuration.toLowerCase().replace(/[^a-z0-9]+/g, '-');
  const cut = base.slice(0, MAX_NAME - DRAWN - 1).replace(/^-|-$/g, '');
  return cut === '' ? drawn : `${cut}-${drawn}`;
}
