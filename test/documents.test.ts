import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from '@jest/globals';
import { VARIABLES } from '../src/config/variables.js';

const ROOT = fileURLToPath(new URL('..', import.meta.url));
const read = (name: string) => readFileSync(join(ROOT, name), 'utf8');

const documents = [
  ...readdirSync(ROOT).filter((name) => name.endsWith('.md')),
  ...readdirSync(join(ROOT, 'docs'), { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.md'))
    .map((name) => join('docs', name)),
];

describe('the documents', () => {
  test('tell every variable in the README, with its meaning', () => {
    const rows = Object.entries(VARIABLES).map(([name, text]) => `| \`${name}\` | ${text} |`);
    const table = read('README.md')
      .split('\n')
      .filter((line) => /^\| `[A-Z_]+` \|/.test(line));
    expect(table).toEqual(rows);
  });

  test.each(documents)('%s links to files that exist', (name) => {
    const targets = [...read(name).matchAll(/\]\((?!https?:|#)([^)#]+)[^)]*\)/g)].map(
      ([, target]) => target ?? '',
    );
    expect(targets.filter((target) => !existsSync(join(ROOT, dirname(name), target)))).toEqual([]);
  });

  test('name only commands that package.json has', () => {
    const { scripts } = JSON.parse(read('package.json')) as { scripts: Record<string, string> };
    const commands = documents.flatMap((name) =>
      [...read(name).matchAll(/npm run (\w[\w:-]*)/g)].map(([, command]) => command ?? ''),
    );
    expect(commands.filter((command) => !(command in scripts))).toEqual([]);
  });
});
