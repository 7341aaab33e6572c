import type { Job } from '../core/job.js';

/** What the job must know beside its plan. */
export interface JobSurroundings {
  /** Base of the routes for jobs; absent: the job delivers nothing, and the worker reads its files. */
  readonly apiUrl?: string;
  /** As git's GIT_ALLOW_PROTOCOL has it: `https:ssh`. */
  readonly gitProtocols: string;
  /** The executable; `ansible-inventory` lies beside it. */
  readonly ansiblePlaybook: string;
}

/** The text of `job.json`, as `job/` reads it. */
export function renderJobFile(job: Job, surroundings: JobSurroundings): string {
  const { apiUrl, gitProtocols, ansiblePlaybook } = surroundings;
  return `${JSON.stringify({
    ...(toSnakeCase(job) as object),
    api_url: apiUrl ?? null,
    git_protocols: gitProtocols,
    ansible_playbook: ansiblePlaybook,
  })}\n`;
}

/** No object of a plan has keys that are data, so every key may be converted. */
function toSnakeCase(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(toSnakeCase);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(
    Object.entries(value).map(([key, member]) => [
      key.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`),
      toSnakeCase(member),
    ]),
  );
}
