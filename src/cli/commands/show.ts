import { readText, toSessionPath, type Command } from '../command.js';
import { printJson, printLines, printNotice } from '../output.js';
import { readHosts } from '../pages.js';
import { EXIT, isFailing, readReport, renderHosts } from '../report.js';
import type { Phases, Session } from '../wire.js';

export const show: Command = {
  summary: 'show what a session does or waits for, or how it ended',
  names: ['NAME'],
  options: {},
  notes: `With --json, prints {"session", "phases"}. What each reason means: docs/reasons.md.`,
  async run({ api, names: [name = ''], isJson }) {
    const session = await api.ask<Session>('GET', toSessionPath(name));
    if (isJson) {
      const { phases } = await api.ask<Phases>('GET', toSessionPath(name, 'phases'));
      await printJson({ session, phases });
    } else await printLines(await readReport(api, session));
    return EXIT.well;
  },
};

export const hosts: Command = {
  summary: 'list the result of each host in each phase',
  names: ['NAME'],
  options: { failed: { type: 'boolean' }, phase: { type: 'string' } },
  optionHelp: [
    ['--failed', 'only hosts that failed or could not be reached'],
    ['--phase PHASE', 'only this phase, such as ansible-0'],
  ],
  notes: `With --json, prints one host per line.`,
  async run({ api, values, names: [name = ''], isJson }) {
    let isFirst = true;
    for await (const page of readHosts(api, name, readText(values, 'phase'))) {
      const wanted = values['failed'] === true ? page.filter(isFailing) : page;
      if (wanted.length === 0) continue;
      if (isJson) for (const host of wanted) await printJson(host);
      else await printLines(renderHosts(wanted).slice(isFirst ? 0 : 1));
      isFirst = false;
    }
    if (isFirst)
      printNotice(values['failed'] === true ? 'No host has failed.' : 'No host has a result.');
    return EXIT.well;
  },
};
