import { readText, readTexts, UsageError, type Command, type Values } from '../command.js';
import {
  formatDuration,
  printJson,
  printLines,
  renderTable,
  printNotice,
  toMillis,
} from '../output.js';
import { readPages } from '../pages.js';
import { describeState, EXIT } from '../report.js';
import type { Session, Sessions } from '../wire.js';

const DEFAULT_AGE = '1d';
const MOST = 1_000;

export const list: Command = {
  summary: 'list the sessions of the last day, the latest last',
  names: [],
  options: {
    age: { type: 'string' },
    all: { type: 'boolean' },
    status: { type: 'string' },
    succeeded: { type: 'string' },
    contains: { type: 'string' },
    tag: { type: 'string', multiple: true },
  },
  optionHelp: [
    ['--age AGE', `started within AGE: 30m, 12h, 7d (default ${DEFAULT_AGE})`],
    ['--all', 'sessions of any age'],
    ['--status S', 'pending, running or complete'],
    ['--succeeded S', 'true, false, unknown, or none for sessions that have not ended'],
    ['--contains TEXT', 'part of the name'],
    ['--tag KEY=VALUE', 'may be repeated; all must match'],
  ],
  notes: 'With --json, prints one array of sessions.',
  async run({ api, values, isJson }) {
    const sessions: Session[] = [];
    let hasMore = false;
    for await (const page of readPages<Sessions>(api, '/v3/sessions', toFilters(values))) {
      sessions.push(...page.sessions);
      hasMore = page.next !== null;
      if (sessions.length >= MOST) break;
    }
    sessions.sort((one, other) => toStart(one) - toStart(other));
    if (isJson) await printJson(sessions);
    else await printLines(sessions.length === 0 ? [renderNone(values)] : renderSessions(sessions));
    if (hasMore)
      printNotice(
        `There are more than these ${sessions.length}: narrow the list (see keelson list --help).`,
      );
    return EXIT.well;
  },
};

function toFilters(values: Values) {
  if (values['all'] === true && values['age'] !== undefined)
    throw new UsageError('--all and --age contradict each other.');
  const tags = readTexts(values, 'tag').join(',');
  return {
    max_age: values['all'] === true ? undefined : (readText(values, 'age') ?? DEFAULT_AGE),
    status: readText(values, 'status'),
    succeeded: readText(values, 'succeeded'),
    name_contains: readText(values, 'contains'),
    tags: tags === '' ? undefined : tags,
  };
}

function renderNone(values: Values): string {
  if (values['all'] === true) return 'No sessions.';
  return `No sessions within ${readText(values, 'age') ?? DEFAULT_AGE} (--all: of any age).`;
}

function renderSessions(sessions: readonly Session[]): readonly string[] {
  return renderTable(
    ['state', 'session', 'configuration', 'started', 'took', 'message'],
    sessions.map((session) => {
      const { start_time: start, completion_time: end, status, message } = session.status.session;
      const took = status === 'pending' ? '-' : formatDuration(start, end);
      return [
        ...[describeState(session).word, session.name, session.configuration.name],
        ...[`${formatDuration(start, null)} ago`, took, message ?? ''],
      ];
    }),
    { isCut: true },
  );
}

function toStart({ status }: Session): number {
  return toMillis(status.session.start_time);
}
