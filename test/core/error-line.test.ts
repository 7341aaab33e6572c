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
    ['\u001B[0;31mERROR! the role "x" was not found\u001B[0m\n', 'the role "x" was not found'],
    ['fatal: [x1]: FAILED! => {"msg": "was rescued"}\n', undefined],
    [
      "ERROR! Unable to retrieve file contents\nCould not find or access '/w/layer0/a.yml'\nIf you\n",
      "Could not find or access '/w/layer0/a.yml'",
    ],
    [
      "[WARNING]:  * Failed to parse\n/w/hosts/a.yml with auto plugin: no root 'plugin' key found,\n'/w/hosts/a.yml' is not a\nconfig file\n[WARNING]:  * Failed to parse\n/w/hosts/a.yml with yaml plugin: it\nshould be a dictionary\n[WARNING]:  * Failed to parse /w/hosts/a.yml with ini plugin:\nnot so\nERROR! Completely failed to parse inventory source /w/hosts/a.yml\nAnsible cannot\n",
      'hosts/a.yml: it should be a dictionary',
    ],
    [
      "[WARNING]: Failed to parse inventory with 'auto' plugin: inventory config '/w/hosts/b.yml' specifies unknown plugin 'c'\n\nFailed to parse inventory with 'auto' plugin.\n\n<<< caused by >>>\n\n[ERROR]: Completely failed to parse inventory source /w/hosts/b.yml\n",
      "hosts/b.yml: inventory config 'hosts/b.yml' specifies unknown plugin 'c'",
    ],
    [
      '[WARNING]:  * Failed to parse\n/w/hosts/i with yaml plugin: no\n[WARNING]:  * Failed to parse /w/hosts/i with ini plugin:\n/w/hosts/i:1: unknown type\nERROR! Completely failed to parse inventory source /w/hosts/i\n',
      'hosts/i: hosts/i:1: unknown type',
    ],
    [
      'ERROR! Completely failed to parse inventory source /w/hosts/i\n',
      'Completely failed to parse inventory source /w/hosts/i',
    ],
    [
      "ERROR! as JSON nor YAML, these are the errors:\nSyntax Error while loading YAML.\n  no node\n\nThe error appears to be in '/w/hosts/group_vars/all.yml': line 1, column 5, but\n",
      'hosts/group_vars/all.yml, line 1: no node',
    ],
    ['ERROR! Unable to retrieve file contents\n', 'Unable to retrieve file contents'],
    ['ERROR!\n', undefined],
    ['ERROR! no hosts to target.\n', 'no hosts to target.'],
    ['all is well, no ERROR here', undefined],
    ['', undefined],
  ])('reads %j', (tail, expected) => {
    expect(findErrorLine(tail)).toBe(expected);
  });
});
