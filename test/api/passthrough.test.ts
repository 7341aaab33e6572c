import { describe, expect, test } from '@jest/globals';
import { checkPassthrough } from '../../src/api/passthrough.js';

describe('checkPassthrough', () => {
  test.each([
    '',
    '-e a=1',
    '-ea=1',
    '--extra-vars "a=1 b=2"',
    `--extra-vars '{"a": "b $"}'`,
    '--extra a=1 --extra-vars=b=2 -e c=3',
    '-t x -ty --tags=z --ta w',
    '-f 10 --forks=20 --fo 30',
    '--skip-tags a --sk b --start-at-task "My task"',
    '-e "$HOME" -e @vars.yml',
  ])('takes %j', (text) => {
    expect(() => checkPassthrough(text)).not.toThrow();
  });

  test.each([
    ['--check', 'check'],
    ['-v', '-v'],
    ['-h', '-h'],
    ['--help', 'help'],
    ['--limit x', 'limit'],
    ['-l x', '-l'],
    ['site.yml', 'site.yml'],
    ['--', '--'],
    ['-e a=1 -- site.yml', ''],
    ['--s x', 'skip-tags'],
    ['--forks ten', 'ten'],
    ['-f -1', ''],
    ['-f 0', '0'],
    [`-e${'a'.repeat(128 * 1024 - 2)}`, 'more than 131071 bytes'],
    [`-e a=${'\u00FC'.repeat(64 * 1024)}`, 'more than 131071 bytes'],
    ['--tags', ''],
    ['-e "a=1', 'quotation'],
    ["-e 'a", 'quotation'],
    ['-e a\\', 'quotation'],
    [`-e $'a\\' --check -e 'b'`, 'check'],
    ['-e x\\\n --limit', 'limit'],
  ])('refuses %j and names %j', (text, named) => {
    expect(() => checkPassthrough(text)).toThrow(
      expect.objectContaining({
        fault: 'invalid',
        message: expect.stringMatching(/^Error validating ansible-passthrough: .*'ansible_pass/s),
      }),
    );
    expect(() => checkPassthrough(text)).toThrow(named);
  });
});
