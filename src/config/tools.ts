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

/** Takes each program from its variable, or else from where the setup installed it. */
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

/** Jobs start the program from their own directory, so a path must be absolute. A bare name is looked up on their path. */
function completePath(program: string | undefined): string | undefined {
  return program?.includes('/') === true ? resolve(program) : program;
}

function findOnPath(program: string, environment: Environment): string | undefined {
  return (environment['PATH'] ?? '')
    .split(delimiter)
    .map((directory) => join(directory, program))
    .find((path) => existsSync(path));
}
