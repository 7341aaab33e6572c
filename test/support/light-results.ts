import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from '@jest/globals';
import type { Cluster } from './cluster.js';
import type { LightSite } from './light-site.js';
import { waitFor } from './wait.js';

export const toNames = (prefix: string, count: number): readonly string[] =>
  Array.from({ length: count }, (_, index) => `${prefix}-${index}`);

/** Expects that each succeeded and ran its only playbook once. */
export async function expectResults(
  cluster: Cluster,
  site: LightSite,
  names: readonly string[],
): Promise<void> {
  for (const name of names) {
    const { status } = await cluster.waitUntilComplete(name, 120_000);
    const { succeeded, reason, message } = status.session;
    expect({ name, succeeded, why: [reason, message], runs: site.runs(name) }).toEqual({
      name,
      succeeded: 'true',
      why: [null, null],
      runs: 1,
    });
  }
}

/** Expects that the job of each came to its own end, on one of these machines, although no record knows of it any more. */
export async function expectLeftToEnd(
  site: LightSite,
  dataDirectories: readonly string[],
  names: readonly string[],
): Promise<void> {
  for (const name of names) {
    const job = findJob(dataDirectories, name);
    await waitFor(() => existsSync(join(job, 'ended')), {
      timeoutMs: 120_000,
      what: `the job of ${name} to end`,
    });
    const phase = JSON.parse(readFileSync(join(job, 'phases', 'ansible-0.json'), 'utf8')) as object;
    expect({ name, ...phase, runs: site.runs(name) }).toMatchObject({
      ...{ name, state: 'ended', exit_code: 0, killed: null },
      runs: 1,
    });
  }
}

function findJob(dataDirectories: readonly string[], name: string): string {
  const jobs = dataDirectories.flatMap((data) =>
    readdirSync(join(data, 'jobs')).map((job) => join(data, 'jobs', job)),
  );
  return jobs.find((job) => job.includes(`/cfs-${name}-`)) ?? '';
}
