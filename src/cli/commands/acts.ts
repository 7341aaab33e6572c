import { toApplyName } from '../../core/apply.js';
import { toRetryName } from '../../core/retry.js';
import type { Api } from '../api.js';
import { readText, toSessionPath, type Command, type CommandInput } from '../command.js';
import { printJson, printLines, printNotice } from '../output.js';
import { EXIT, isHeld } from '../report.js';
import { startOnce, reportStart, untilAnswered } from '../start.js';
import type { Phases, Session } from '../wire.js';

export const cancel: Command = {
  summary: 'stop a session; its record and log stay',
  names: ['NAME'],
  options: { reason: { type: 'string' } },
  optionHelp: [['--reason TEXT', 'stored with the session']],
  async run(input) {
    const reason = readText(input.values, 'reason');
    return act(input, 'cancel', reason === undefined ? {} : { reason }, (name) => [
      `Session ${name} is being cancelled.`,
      `  keelson watch ${name}      follow it until it has ended`,
    ]);
  },
};

export const hold: Command = {
  summary: 'hold a running session if one of its playbooks fails',
  names: ['NAME'],
  options: {},

  run: (input) =>
    act(input, 'hold', {}, (name) => [
      `If a playbook of session ${name} fails, it is held, and you can open a shell there.`,
      `  keelson show ${name}       whether it is held, and the command for the shell`,
      `  keelson rerun ${name}      run the playbook again`,
      `  keelson release ${name}    end the hold, and the session with it`,
    ]),
};

export const rerun: Command = {
  summary: 'run the failed playbook of a held session again, in the same session',
  names: ['NAME'],
  options: {},

  async run(input) {
    const [name = ''] = input.names;
    const since = await findHoldSince(input.api, name);
    const body = { rerun: true, ...(since === undefined ? {} : { hold_since: since }) };
    const session = await untilAnswered(input, () =>
      input.api.ask<Session>('POST', toSessionPath(name, 'release'), body),
    );
    if (input.isJson) await printJson(session);
    else
      await printLines([
        `Session ${name} runs the failed playbook again.`,
        `  keelson logs -f ${name}    follow its log`,
      ]);
    return EXIT.well;
  },
};

export const release: Command = {
  summary: 'end the hold of a session',
  names: ['NAME'],
  options: {},

  run: (input) => act(input, 'release', {}, (name) => [`Session ${name} is released.`]),
};

export const retry: Command = {
  summary: 'start a session that does what a failed one has not done',
  names: ['NAME'],
  options: { name: { type: 'string' }, follow: { type: 'boolean', short: 'f' } },
  optionHelp: [
    ['--name NAME', 'name of the new session; default: NAME-retry-1'],
    ['-f, --follow', 'print its log until the end, then how it ended'],
  ],
  run: (input) => startFrom(input, 'retry', toRetryName),
};

export const apply: Command = {
  summary: 'start a session that applies what one in check mode has shown',
  names: ['NAME'],
  options: { name: { type: 'string' }, follow: { type: 'boolean', short: 'f' } },
  optionHelp: [
    ['--name NAME', 'name of the new session; default: NAME-apply'],
    ['-f, --follow', 'print its log until the end, then how it ended'],
  ],
  run: (input) => startFrom(input, 'apply', toApplyName),
};

export const remove: Command = {
  summary: 'delete a session and its log; a running session is stopped',
  names: ['NAME'],
  options: {},

  async run({ api, names: [name = ''] }) {
    await api.ask<undefined>('DELETE', toSessionPath(name));
    printNotice(`Session ${name} is deleted.`);
    return EXIT.well;
  },
};

/** When the present hold of the session began; with it, a request can be repeated without harm. */
async function findHoldSince(api: Api, name: string): Promise<string | undefined> {
  const { phases } = await api.ask<Phases>('GET', toSessionPath(name, 'phases'));
  return phases.find(isHeld)?.hold?.since;
}

async function act(
  { api, names: [name = ''], isJson }: CommandInput,
  what: string,
  body: object,
  render: (name: string) => readonly string[],
): Promise<number> {
  const answer = await api.ask<unknown>('POST', toSessionPath(name, what), body);
  if (isJson) await printJson(answer ?? {});
  else await printLines(render(name));
  return EXIT.well;
}

/** Starts a session that follows from this one. `toName`: the name that the service gives it by default. */
async function startFrom(
  input: CommandInput,
  what: 'retry' | 'apply',
  toName: (name: string) => string,
): Promise<number> {
  const [name = ''] = input.names;
  const given = readText(input.values, 'name');
  const session = await startOnce(input, {
    path: toSessionPath(name, what),
    body: given === undefined ? {} : { name: given },
    name: given ?? toName(name),
    isAskedFor: ({ status }) => status.session[`${what}_of`] === name,
  });
  return reportStart(input, session);
}
