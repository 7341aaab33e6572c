import type { OpenSource } from '../clients/interfaces.js';
import { ServiceError } from '../core/errors.js';
import type { Job } from '../core/job.js';
import { toCredentialLine } from '../core/source.js';

/** File name → content of what phases need to clone from sources. `job/` prefers the files of a phase to those of the job. */
export async function collectCloneSecrets(
  { phases }: Job,
  openSource: OpenSource,
  signal: AbortSignal,
): Promise<Readonly<Record<string, string>>> {
  const secrets: Record<string, string> = {};
  for (const phase of phases) {
    if (phase.kind !== 'git-clone' && phase.kind !== 'git-clone-hosts') continue;
    const { source, url } = phase.repository;
    if (source === undefined) continue;
    const { url: present, access } = await openSource(source, signal);
    // The credentials are for the server that the source names now, and for no other.
    if (present !== url) {
      const message = `The clone_url of source ${source} has changed since the session began.`;
      throw new ServiceError('rejected', message, { reason: 'GIT_CLONE' });
    }
    if (access.credentials !== undefined)
      secrets[`git-credentials-${phase.name}`] = toCredentialLine(url, access.credentials);
    if (access.ca !== undefined) secrets[`git-ca-${phase.name}.crt`] = access.ca;
  }
  return secrets;
}
