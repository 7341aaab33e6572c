import { describe, expect, test } from '@jest/globals';
import { findErrorLine } from '../../src/core/error-line.js';

describe('findErrorLine', () => {
  test.each([
    ['PLAY [all]\nERROR! the role "x" was not found\n\nadvice\n', 'the role "x" was not found'],
    ["[ERROR]: couldn't resolve module\n", "couldn't resolve module"],
    ['ERROR! first\nERROR! second', 'second'],
    ["fatal: repository 'x' not found\n", "fatal: repository 'x' not found"],
    ['  ERROR! indented', 'indented'],
    ['ERROR! cannot be read:\n\n  no colon\n  in line 2\n', 'cannot be read: no colon in line 2'],
    [
      "ERROR! conflicting action statements: a, b\n\nThe error appears to be in '/d/jobs/x/workspace/layer0/roles/r/tasks/main.yml': line 3, column 7, but may\nbe elsewhere\n",
      'roles/r/tasks/main.yml, line 3: conflicting action statements: a, b',
    ],
    [
      "ERROR! We were unable to read either as JSON nor YAML, these are the errors:\nJSON: Expecting value\n\nSyntax Error while loading YAML.\n  did not find expected node content\n\nThe error appears to be in '/w/layer1/site.yml': line 3, column 1, but\n",
      'site.yml, line 3: did not find expected node content',
    ],
    [
      '[ERROR]: conflicting action statements: a, b\nOrigin: /w/layer0/site.yml:4:7\n\n2 x\n',
      'site.yml, line 4: conflicting action statements: a, b',
    ],
    [
      '[WARNING]: Could not match supplied host pattern, ignoring: x7\n[WARNING]: Could not match supplied host pattern, ignoring:\na-long-name\nERROR! Specified --limit leaves us with no hosts to target.\n',
      'Specified --limit leaves us with no hosts to target. Could not match supplied host pattern, ignoring: x7. Could not match supplied host pattern, ignoring: a-long-name.',
    ],
    ['ERROR! no hosts to target.\n', 'no hosts to target.'],
    ['all is well, no ERROR here', undefined],
    ['', undefined],
  ])('reads %j', (tail, expected) => {
    expect(findErrorLine(tail)).toBe(expected);
  });
});
