import { existsSync } from 'node:fs';
import { homedir } from 'node:os';
import { delimiter, join, resolve } from 'node:path';
import { readText, type Environment, type EnvironmentReader } from './environment.js';

/** Programs that the service starts. */
export interface Tools {
  readonly temporal: string;
  readonly python: string;
  readonly ansiblePlaybook: string;
}

/** Each as its variable says, else where the set-up has put it. */
export function findTools(read: EnvironmentReader, environment: Environment): Tools {
  const cache = (path: string) => join(findCache(environment), path);
  const installedPython = cache('ansible/bin/python3');
  return {
    temporal:
      read.text('TEMPORAL_CLI') ??
      findOnPath('temporal', environment) ??
      cache('temporal-1.5.1/temporal'),
    python: read.text('PYTHON') ?? (existsSync(installedPython) ? installedPython : 'python3'),
    ansiblePlaybook:
      completePath(read.text('ANSIBLE_PLAYBOOK')) ?? cache('ansible/bin/ansible-playbook'),
  };
}

function findCache(environment: Environment): string {
  const caches = readText(environment, 'XDG_CACHE_HOME') ?? join(homedir(), '.cache');
  return resolve(readText(environment, 'KEELSON_CACHE') ?? join(caches, 'keelson'));
}

/** Jobs start it from a directory of their own. A mere name is looked for on their path. */
function completePath(program: string | undefined): string | undefined {
  return program?.includes('/') === true ? resolve(program) : program;
}

function findOnPath(program: string, environment: Environment): string | undefined {
  return (environment['PATH'] ?? '')
    .split(delimiter)
    .map((directory) => join(directory, program))
    .find((path) => existsSync(path));
}
