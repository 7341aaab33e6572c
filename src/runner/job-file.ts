import type { Job } from '../core/job.js';

/** What the job must know beside its plan. */
export interface JobSurroundings {
  /** Base of the routes for jobs; absent: the job delivers nothing, and the worker reads its files. */
  readonly apiUrl?: string;
  /** As git's GIT_ALLOW_PROTOCOL has it: `https:ssh`. */
  readonly gitProtocols: string;
  /** The executable; `ansible-inventory` lies beside it. */
  readonly ansiblePlaybook: string;
  /** Absent: clones keep nothing. */
  readonly gitCache?: GitCache;
}

/** Where clones keep the commits that they have fetched, for later jobs. */
export interface GitCache {
  readonly directory: string;
  /** Of all files in it. */
  readonly maxBytes: number;
}

/** The text of `job.json`, as `job/` reads it. */
export function renderJobFile(job: Job, surroundings: JobSurroundings): string {
  const { apiUrl, gitProtocols, ansiblePlaybook, gitCache } = surroundings;
  return `${JSON.stringify({
    ...(toSnakeCase(job) as object),
    api_url: apiUrl ?? null,
    git_protocols: gitProtocols,
    ansible_playbook: ansiblePlaybook,
    git_cache: gitCache === undefined ? null : toSnakeCase(gitCache),
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
