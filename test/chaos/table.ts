import { readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { MOMENTS, type Moment } from './moments.js';
import { FAULTS } from './plan.js';
import type { Cell } from './round.js';

const FILE = fileURLToPath(new URL('../../docs/durability.md', import.meta.url));
const BEGIN = '<!-- written by npm run chaos:all -->\n';
const END = '<!-- end -->';
const HEAD = ['fault', ...MOMENTS.map((moment) => moment.replace(' done', ' ✓')), 'slowest', 'run'];

/** Replaces the table's rows of those faults that have struck at all their moments, with the date. Keeps the other rows. */
export function writeTable(cells: readonly Cell[], seed: string): void {
  const text = readFileSync(FILE, 'utf8');
  const [before = '', rest = ''] = text.split(BEGIN);
  const [table = '', after = ''] = rest.split(END);
  const rows = FAULTS.map(({ name, moments }) => {
    const own = cells.filter(({ fault }) => fault === name);
    return own.length < moments.length ? findRow(table, name) : renderRow(name, own, seed);
  });
  const lines = [
    renderLine(HEAD),
    renderLine(HEAD.map(() => '---')),
    ...rows.filter((row) => row !== undefined),
  ];
  writeFileSync(FILE, `${before}${BEGIN}\n${lines.join('\n')}\n\n${END}${after}`);
}

function findRow(table: string, fault: string): string | undefined {
  return table.split('\n').find((line) => line.startsWith(`| \`${fault}\` `));
}

function renderRow(fault: string, cells: readonly Cell[], seed: string): string {
  const slowest = Math.max(...cells.map(({ seconds }) => seconds));
  return renderLine([
    `\`${fault}\``,
    ...MOMENTS.map((moment) => renderCell(cells, moment)),
    `${slowest.toFixed(0)} s`,
    `${new Date().toISOString().slice(0, 10)}, seed ${seed}`,
  ]);
}

function renderLine(texts: readonly string[]): string {
  return `| ${texts.join(' | ')} |`;
}

function renderCell(cells: readonly Cell[], at: Moment): string {
  const cell = cells.find(({ moment }) => moment === at);
  if (cell === undefined) return '';
  if (cell.wrong.length > 0) return '**failed**';
  return WORDS[cell.promised];
}

const WORDS = {
  untouched: 'ok',
  lost: 'JOB_LOST',
  failed: 'TASK_FAILED',
  unreachable: 'HOST_UNREACHABLE',
  cancelled: 'CANCELLED',
} as const;
