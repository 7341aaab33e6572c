import { execFileSync } from 'node:child_process';
import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { checkPassthrough } from '../../src/api/passthrough.js';
import { parseConfig } from '../../src/config.js';
import { splitWords } from '../../src/core/shell-words.js';

/** Prints how Python splits and checks each text. Jobs split with `shlex`; CFS checks with `argparse`. */
const PROGRAM = `
import argparse, json, shlex, sys

class Refused(Exception):
    pass

class Parser(argparse.ArgumentParser):
    def error(self, message):
        raise Refused

parser = Parser(add_help=False)
for names, kind in ((("-e", "--extra-vars"), str), (("-f", "--forks"), int), (("--skip-tags",), str),
                    (("--start-at-task",), str), (("-t", "--tags"), str)):
    parser.add_argument(*names, type=kind, action="append")

def split(text):
    try:
        return shlex.split(text)
    except ValueError:
        return None

def accept(text):
    try:
        parser.parse_args(shlex.split(text, posix=False))
    except (Refused, ValueError):
        return False
    return True

texts = json.load(sys.stdin)
json.dump([{"words": split(text), "accepted": accept(text)} for text in texts], sys.stdout)
`;

interface Answer {
  readonly words: readonly string[] | null;
  readonly accepted: boolean;
}

function askPython(texts: readonly string[]): readonly Answer[] {
  const { python } = parseConfig(process.env).runner;
  const output = execFileSync(python, ['-c', PROGRAM], {
    input: JSON.stringify(texts),
    encoding: 'utf8',
    maxBuffer: 64 * 1024 * 1024,
  });
  return JSON.parse(output) as Answer[];
}

function accepts(text: string): boolean {
  try {
    checkPassthrough(text);
    return true;
  } catch {
    return false;
  }
}

/** Characters that one of the splitters treats specially, and white space at which Python does not split. */
const pieces = ['a', 'ö', '😀', '=', '-', '--tags', '#', '$', '*', '|', ';', '`', '{', '}', '~'];
const special = [' ', ' ', '\t', '\n', '\r', '\v', '\f', '\u00a0', '\u2028', '"', "'", '\\', '\\"'];
const texts = fc.sample(
  fc
    .array(fc.constantFrom(...pieces, ...special), { maxLength: 12 })
    .map((parts) => parts.join('')),
  { numRuns: 20_000, seed: 5 },
);

describe('splitWords', () => {
  test('splits as the Python that runs the playbook does', () => {
    const answers = askPython(texts);
    const differing = texts.filter(
      (text, index) =>
        JSON.stringify(splitWords(text) ?? null) !== JSON.stringify(answers[index]?.words),
    );
    expect(differing).toEqual([]);
  });
});

describe('checkPassthrough, beside the check of CFS', () => {
  const same = [
    ...['', '-e a=1', '-ea=1', '--extra-vars "a=1 b=2"', `--extra-vars '{"a": "b"}'`, '--extra a'],
    ...['-t x -ty --tags=z', '--ta w', '-f 10', '--forks=20', '--fo 3', '--skip-tags a', '--sk b'],
    ...['--start-at-task "My task"', '-e "$HOME"', '-e @vars.yml', '--tags=', '-e a -e b -e c'],
    ...['--check', '-v', '-l x', '--limit x', 'site.yml', '-t a site.yml', '--s x', '--forks ten'],
    ...['--tags', '-e', '-e "a=1', "-e 'a", '-C', '--list-hosts', '-e a --become', '--'],
  ];
  const other: readonly (readonly [text: string, ours: boolean, why: string])[] = [
    ['-e a="b c"', true, 'a quotation mark in a word counts, as it does where the playbook runs'],
    ["-e it's", false, 'the same, and this one is not closed'],
    ['-e a\\', false, 'an escape is not closed'],
    ['-f -1', false, 'no number of forks'],
    ['-f 0', false, 'no number of forks'],
  ];
  const [first, second] = [askPython(same), askPython(other.map(([text]) => text))];

  test.each(same.map((text, index) => [text, first[index]?.accepted]))(
    '%j: %j',
    (text, accepted) => {
      expect(accepts(String(text))).toBe(accepted);
    },
  );

  test.each(other)('%j differs: %j, for %s', (text, ours) => {
    expect(accepts(text)).toBe(ours);
    expect(second[other.findIndex(([each]) => each === text)]?.accepted).toBe(!ours);
  });
});
