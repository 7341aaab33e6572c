import { execFileSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join, relative } from 'node:path';
import { gzipSync } from 'node:zlib';
import { ANSIBLE, CACHE, createJob, type TestJob } from './harness.js';

export const HAS_ANSIBLE = existsSync(ANSIBLE);
if (!HAS_ANSIBLE && process.env['REQUIRE_SERVERS'] === '1')
  throw new Error(`${ANSIBLE} is not there.`);

/** 16 of ansible-core 2.16. */
export const ANSIBLE_MINOR = HAS_ANSIBLE
  ? Number(/core 2\.(\d+)/.exec(execFileSync(ANSIBLE, ['--version'], { encoding: 'utf8' }))?.[1])
  : NaN;

/** Series → executable: one is always there, others if they are installed. */
export const ANSIBLES = new Map(
  (existsSync(CACHE) ? readdirSync(CACHE) : []).flatMap((name) => {
    const file = join(CACHE, name, 'bin/ansible-playbook');
    const series = /^ansible-(\d+\.\d+)/.exec(name)?.[1];
    return series !== undefined && existsSync(file) ? [[series, file] as const] : [];
  }),
);

export type Inventory = Record<string, Record<string, Record<string, unknown>>>;

/** Groups of hosts that are all this machine. */
export function renderHosts(groups: Inventory): Uint8Array {
  const document = Object.entries(groups).map(([group, hosts]) => {
    const local = Object.entries(hosts).map(([host, variables]) => [
      host,
      { ansible_connection: 'local', ...variables },
    ]);
    return [group, { hosts: Object.fromEntries(local) as unknown }];
  });
  return gzipSync(JSON.stringify({ all: { children: Object.fromEntries(document) as unknown } }));
}

export function aPlaybookPhase(
  layer: number,
  more: Record<string, unknown> = {},
): Record<string, unknown> {
  return {
    name: `ansible-${layer}`,
    kind: 'ansible',
    timeout_seconds: 0,
    layer: String(layer),
    directory: `layer${layer}`,
    previous_layer: '',
    playbook: 'site.yml',
    clone_url: 'https://git.example.org/layer.git',
    limit: '',
    verbosity: 0,
    passthrough: '',
    records_state: true,
    ...more,
  };
}

export function anInventoryPhase(definition = 'spec'): Record<string, unknown> {
  return { name: 'inventory', kind: 'inventory', timeout_seconds: 0, definition };
}

export interface PlaybookJobOptions {
  readonly phase?: Record<string, unknown>;
  readonly files?: Record<string, string | Uint8Array>;
  readonly groups?: Inventory;
  readonly plan?: Record<string, unknown>;
  readonly environment?: Record<string, string>;
}

/** A job that needs no git, because its layer is already there. By default it has two hosts. */
export function createPlaybookJob({
  phase = {},
  files = {},
  groups,
  plan = {},
  environment = {},
}: PlaybookJobOptions): TestJob {
  return createJob({
    phases: [anInventoryPhase(), aPlaybookPhase(0, phase)],
    plan,
    environment,
    files: {
      'files/inventory.gz': renderHosts(groups ?? { compute: { x1: {}, x2: {} } }),
      ...files,
    },
  });
}

/** Name below `directory` → content. */
export function readTree(directory: string): Record<string, string> {
  const entries = readdirSync(directory, { recursive: true, withFileTypes: true });
  return Object.fromEntries(
    entries
      .filter((entry) => entry.isFile())
      .map((entry) => join(entry.parentPath, entry.name))
      .map((file) => [relative(directory, file), readFileSync(file, 'utf8')]),
  );
}

export function readResults(job: TestJob, phase = 'ansible-0'): Record<string, unknown>[] {
  const text = readFileSync(job.path('results', `${phase}.json`), 'utf8');
  return (JSON.parse(text) as { hosts: Record<string, unknown>[] }).hosts;
}
