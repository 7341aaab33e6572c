import { createRequire } from 'node:module';
import { parseArgs, type ParseArgsOptionsConfig } from 'node:util';
import { omitUndefined } from '../core/omit-undefined.js';
import { createApi } from './api.js';
import { readText, UsageError, type Command, type OptionHelp } from './command.js';
import { apply, cancel, hold, release, remove, rerun, retry } from './commands/acts.js';
import { configurations, configure } from './commands/configurations.js';
import { list } from './commands/list.js';
import { logs } from './commands/logs.js';
import { run } from './commands/run.js';
import { hosts, show } from './commands/show.js';
import { watch } from './commands/watch.js';
import { guardOutput, print, printNotice } from './output.js';
import { EXIT } from './report.js';

const commands: Readonly<Record<string, Command>> = {
  ...{ run, list, show, watch, logs, hosts },
  ...{ cancel, hold, rerun, release, retry, apply, delete: remove },
  ...{ configurations, configure },
};

const COMMON = {
  url: { type: 'string' },
  'token-file': { type: 'string' },
  'ca-file': { type: 'string' },
  json: { type: 'boolean' },
  help: { type: 'boolean', short: 'h' },
} as const satisfies ParseArgsOptionsConfig;

const COMMON_HELP: OptionHelp = [
  ['--url URL', 'URL of the API (KEELSON_URL); default http://127.0.0.1:8080'],
  ['--token-file FILE', 'file with a token for the API (KEELSON_TOKEN_FILE)'],
  ['--ca-file FILE', 'PEM file of the certificate authority of the API (KEELSON_CA_FILE)'],
  ['--json', 'print the JSON of the API, for programs'],
  ['-h, --help', 'show this help'],
];

const VERSION_HELP = ['--version', 'print the version of this program'] as const;

const EXIT_HELP =
  'Exit codes: 0 success, 1 the session that was followed did not succeed, 2 any other error.';

process.exitCode = await main(process.argv.slice(2));

async function main([word = '--help', ...rest]: readonly string[]): Promise<number> {
  guardOutput(EXIT.error);
  const interrupt = new AbortController();
  process.once('SIGINT', () => interrupt.abort());
  try {
    if (['--help', '-h', 'help'].includes(word)) return await printHelp(rest[0]);
    if (['--version', 'version'].includes(word)) return await printVersion();
    return await runCommand(word, rest, interrupt.signal);
  } catch (error) {
    if (interrupt.signal.aborted) return EXIT.interrupted;
    printNotice(describe(error, word));
    return EXIT.error;
  }
}

async function runCommand(
  word: string,
  args: readonly string[],
  signal: AbortSignal,
): Promise<number> {
  const command = findCommand(word);
  const options = { ...command.options, ...COMMON };
  const { values, positionals } = parseArgs({
    args: [...args],
    options,
    allowPositionals: true,
  });
  if (values.help === true) return printHelp(word);
  checkNames(command, word, positionals);
  const tokenFile = readText(values, 'token-file') ?? readVariable('KEELSON_TOKEN_FILE');
  const caFile = readText(values, 'ca-file') ?? readVariable('KEELSON_CA_FILE');
  const api = createApi({
    url: readText(values, 'url') ?? readVariable('KEELSON_URL') ?? 'http://127.0.0.1:8080',
    ...omitUndefined({ tokenFile, caFile }),
    notify: printNotice,
    signal,
  });
  return command.run({ api, values, names: positionals, isJson: values.json === true, signal });
}

/** An empty variable counts as absent, as in the service. */
function readVariable(name: string): string | undefined {
  const { [name]: value } = process.env;
  return value === '' ? undefined : value;
}

function findCommand(word: string): Command {
  const command = Object.hasOwn(commands, word) ? commands[word] : undefined;
  if (command !== undefined) return command;
  if (word.startsWith('-'))
    throw new UsageError(`The command comes first: keelson COMMAND ${word}.`);
  throw new UsageError(`"${word}" is not a command: use ${Object.keys(commands).join(', ')}.`);
}

function checkNames({ names }: Command, word: string, given: readonly string[]): void {
  const least = names.filter((name) => !name.startsWith('[')).length;
  if (given.length >= least && given.length <= names.length) return;
  const wanted = names.length === 0 ? 'no arguments' : names.join(' and ');
  const found = given.length === 0 ? 'which is missing' : `not "${given.join(' ')}"`;
  throw new UsageError(`keelson ${word} takes ${wanted}, ${found}.`);
}

async function printVersion(): Promise<number> {
  const { version } = createRequire(import.meta.url)('../../package.json') as { version: string };
  await print(`keelson ${version}\n`);
  return EXIT.well;
}

async function printHelp(word: string | undefined): Promise<number> {
  if (word === undefined) await print(renderOverview());
  else await print(renderHelp(word, findCommand(word)));
  return EXIT.well;
}

function renderOverview(): string {
  const lines = Object.entries(commands).map(
    ([word, { names, summary }]) => [[word, ...names].join(' '), summary] as const,
  );
  return [
    ...['keelson COMMAND [options]', '', 'Runs and watches configuration sessions.', ''],
    ...[...renderPairs(lines), '', ...renderPairs([...COMMON_HELP, VERSION_HELP]), ''],
    ...[EXIT_HELP, 'See keelson COMMAND --help for the options of a command.', ''],
  ].join('\n');
}

function renderHelp(word: string, { names, summary, optionHelp = [], notes }: Command): string {
  return [
    ...[['keelson', word, ...names, '[options]'].join(' '), ''],
    ...[`${summary.charAt(0).toUpperCase()}${summary.slice(1)}.`, ''],
    ...renderPairs([...optionHelp, ...COMMON_HELP]),
    ...(notes === undefined ? [] : ['', notes]),
    ...['', EXIT_HELP, ''],
  ].join('\n');
}

function renderPairs(pairs: OptionHelp): readonly string[] {
  const width = Math.max(...pairs.map(([left]) => left.length));
  return pairs.map(([left, right]) => `  ${left.padEnd(width)}  ${right}`.trimEnd());
}

function describe(error: unknown, word: string): string {
  if (!(error instanceof Error)) return String(error);
  const { code = '' } = error as NodeJS.ErrnoException;
  const isUsage = error instanceof UsageError || code.startsWith('ERR_PARSE_ARGS');
  const help = Object.hasOwn(commands, word) ? `keelson ${word} --help` : 'keelson --help';
  if (!isUsage) return error.message;
  // Node goes on to explain names that begin with "-", which nothing here has.
  const said =
    code === 'ERR_PARSE_ARGS_UNKNOWN_OPTION' ? error.message.split('. ')[0] : error.message;
  return `${said} (see ${help})`;
}
