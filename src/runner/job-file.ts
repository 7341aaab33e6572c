import type { Job } from '../core/job.js';

/** What the job must know besides its plan. */
export interface JobSurroundings {
  /** Base URL of the routes for jobs. Absent: the job delivers nothing, and the worker reads its files. */
  readonly apiUrl?: string;
  /** In the format of git's GIT_ALLOW_PROTOCOL: `https:ssh`. */
  readonly gitProtocols: string;
  /** The executable. `ansible-inventory` must be beside it. */
  readonly ansiblePlaybook: string;
  /** Absent: no commits are cached. */
  readonly gitCache?: GitCache;
}

/** Where clones keep fetched commits for later jobs. */
export interface GitCache {
  readonly directory: string;
  /** Total size of the files. */
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

/** Converts every key, because no object of a plan has keys that are data. */
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
