import { readText, toSessionPath, UsageError, type Command } from '../command.js';
import { followLog } from '../follow.js';
import { print } from '../output.js';
import { EXIT } from '../report.js';
import { ApiError, toCause } from '../api.js';

export const logs: Command = {
  summary: 'the log of a session, every byte of it',
  names: ['NAME'],
  options: { phase: { type: 'string' }, follow: { type: 'boolean', short: 'f' } },
  optionHelp: [
    ['--phase PHASE', 'only of this one, such as ansible-0'],
    ['-f, --follow', 'as it grows, until the end; a connection that is lost is made again'],
  ],
  notes: `With --json, and then with --follow, pieces as {"phase", "offset", "text"}, a line for each.`,
  async run({ api, values, names: [name = ''], isJson, signal }) {
    const phase = readText(values, 'phase');
    const following = { isJson, signal, ...(phase === undefined ? {} : { phase }) };
    if (values['follow'] === true) {
      await followLog(api, name, following);
      return EXIT.well;
    }
    if (isJson) throw new UsageError('--json of a log needs --follow.');
    const query = phase === undefined ? '' : `?${new URLSearchParams({ phase }).toString()}`;
    const { body } = await api.open(`${toSessionPath(name, 'logs')}${query}`);
    try {
      for await (const bytes of body ?? []) await print(bytes as Uint8Array);
    } catch (error) {
      signal.throwIfAborted();
      throw new ApiError(`The log broke off (${toCause(error)}). Ask again.`);
    }
    return EXIT.well;
  },
};
