import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { findPython, startSshHost, type SshHost } from '../support/ssh-host.js';

const COMMAND = `
import json, sys
from pathlib import Path
from types import SimpleNamespace
from job.git import to_ssh_command
directory = Path(sys.argv[1])
print(json.dumps(to_ssh_command(SimpleNamespace(secrets=directory, workspace=directory))))
`;

let directory: string;
let host: SshHost;
beforeAll(async () => {
  directory = mkdtempSync(join(tmpdir(), "keelson ssh's-"));
  host = await startSshHost({ name: 'git' });
});
afterAll(async () => {
  await host.remove();
  rmSync(directory, { recursive: true });
});

test('the key of a git server is kept, and found again, in a directory with a space', () => {
  const argv = JSON.parse(
    execFileSync(findPython(), ['-c', COMMAND, directory], { encoding: 'utf8' }),
  ) as string[];
  const [program = '', ...options] = argv;
  const address = ['-p', String(host.port), `${host.user}@${host.host}`, 'true'];
  spawnSync(program, [...options, '-i', host.userKeyFile, ...address]);
  expect(readFileSync(join(directory, 'git-known-hosts'), 'utf8')).toContain(`:${host.port} `);
});
