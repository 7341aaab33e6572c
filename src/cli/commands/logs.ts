import { omitUndefined } from '../../core/omit-undefined.js';
import { ApiError, toCause } from '../api.js';
import { readBody } from '../body.js';
import { readText, UsageError, type Command } from '../command.js';
import { followLog, toLogPath } from '../follow.js';
import { print } from '../output.js';
import { EXIT } from '../report.js';

export const logs: Command = {
  summary: 'print the log of a session',
  names: ['NAME'],
  options: { phase: { type: 'string' }, follow: { type: 'boolean', short: 'f' } },
  optionHelp: [
    ['--phase PHASE', 'only this phase, such as ansible-0'],
    ['-f, --follow', 'follow the log until its end, also over lost connections'],
  ],
  notes: `With --json, which needs --follow, prints pieces as {"phase", "offset", "text"}, one per line.`,
  async run({ api, values, names: [name = ''], isJson, signal }) {
    const phase = readText(values, 'phase');
    const following = { isJson, signal, ...omitUndefined({ phase }) };
    if (values['follow'] === true) {
      await followLog(api, name, following);
      return EXIT.well;
    }
    if (isJson) throw new UsageError('--json needs --follow.');
    const { body } = await api.open(toLogPath(name, phase));
    try {
      for await (const bytes of readBody(body)) await print(bytes);
    } catch (error) {
      signal.throwIfAborted();
      throw new ApiError(`The log broke off (${toCause(error)}). Try again.`);
    }
    return EXIT.well;
  },
};
