import { existsSync, readFileSync, readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { findHostProcesses } from '../lib/ssh-host.mjs';
import { endProcesses, findProcesses } from '../lib/processes.mjs';
import { HOSTS } from './site.mjs';

const CANCEL_MS = 15_000;

/**
 * Ends everything that belongs to a demo and removes its directory: first the session, so that its job cleans up after
 * itself, then the service, then the hosts.
 * @param {string} directory
 */
export async function removeDemo(directory) {
  const data = join(directory, 'data');
  await cancelSessions(join(data, 'service.json'));
  const jobs = existsSync(join(data, 'jobs')) ? readdirSync(join(data, 'jobs')) : [];
  const marks = [`KEELSON_DEMO=${directory}`, ...jobs.map((job) => `KEELSON_JOB=${job}`)];
  await endProcesses(() => findProcesses({ marks, texts: [`${data}/`] }), 20_000);
  await endProcesses(() => HOSTS.flatMap((name) => findHostProcesses(join(directory, name))));
  rmSync(directory, { recursive: true, force: true });
}

/** Best effort: a service that does not answer is ended anyway. @param {string} file */
async function cancelSessions(file) {
  if (!existsSync(file)) return;
  const { api } = JSON.parse(readFileSync(file, 'utf8'));
  const signal = AbortSignal.timeout(CANCEL_MS);
  try {
    for (;;) {
      const response = await fetch(`${api}/v3/sessions?status=pending,running`, { signal });
      const { sessions } = /** @type {any} */ (await response.json());
      if (sessions.length === 0) return;
      for (const { name } of sessions) {
        await fetch(`${api}/v3/sessions/${name}/cancel`, { method: 'POST', signal });
      }
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
  } catch {
    return;
  }
}
