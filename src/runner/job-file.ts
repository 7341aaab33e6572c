import type { GitProxy } from '../core/git-proxy.js';
import type { Job, Phase } from '../core/job.js';

/**
 * From this size on, long texts that several phases have are written once: the Secret that holds the plan of a pod takes 1 MiB.
 * A job of an older version cannot read such a plan, so that smaller ones, which it can run, stay as it knows them.
 */
const MAX_PLAIN_BYTES = 768 * 1024;
/** Characters from which a text is long. */
const MIN_SHARED = 1000;

/** What the job must know besides its plan. */
export interface JobSurroundings {
  /** Base URL of the routes for jobs. Absent: the job delivers nothing, and the worker reads its files. */
  readonly apiUrl?: string;
  /** In the format of git's GIT_ALLOW_PROTOCOL: `https:ssh`. */
  readonly gitProtocols: string;
  readonly gitProxy?: GitProxy;
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
  const plain = renderPlan(job, surroundings);
  if (Buffer.byteLength(plain) <= MAX_PLAIN_BYTES) return plain;
  return renderPlan({ ...job, phases: shareTexts(job.phases) }, surroundings);
}

function renderPlan(plan: object, surroundings: JobSurroundings): string {
  const { apiUrl, gitProtocols, gitProxy, ansiblePlaybook, gitCache } = surroundings;
  return `${JSON.stringify({
    ...(toSnakeCase(plan) as object),
    api_url: apiUrl ?? null,
    git_protocols: gitProtocols,
    git_proxy: gitProxy && toSnakeCase(gitProxy),
    ansible_playbook: ansiblePlaybook,
    git_cache: gitCache === undefined ? null : toSnakeCase(gitCache),
  })}\n`;
}

/** Has a phase refer to an earlier one for a long text that both have: the limit of a session may name thousands of hosts. */
function shareTexts(phases: readonly Phase[]): readonly object[] {
  const owners = new Map<string, string>();
  return phases.map((phase) => {
    if (phase.kind !== 'ansible') return phase;
    const share = (member: 'limit' | 'passthrough') => {
      const text = phase[member];
      if (text.length < MIN_SHARED) return text;
      const key = `${member} ${text}`;
      const owner = owners.get(key);
      if (owner === undefined) owners.set(key, phase.name);
      return owner === undefined ? text : { sameAs: owner };
    };
    return { ...phase, limit: share('limit'), passthrough: share('passthrough') };
  });
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
