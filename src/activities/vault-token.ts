import { isServiceError } from '../core/errors.js';
import type { Session } from '../core/session.js';
import type { ActivityDependencies } from './dependencies.js';

/**
 * By which playbooks of a tenant's configuration open the tenant's secrets. Where it is refused the session goes on without
 * it, and `note` says so in its log: many playbooks need none. Who does not answer is asked again.
 */
export async function readVaultToken(
  { openTenant, logger }: Pick<ActivityDependencies, 'openTenant' | 'logger'>,
  { jobId, name, snapshot }: Session,
  signal: AbortSignal,
): Promise<{ readonly vaultToken?: string; readonly note?: string }> {
  const tenant = snapshot?.tenant;
  if (tenant === undefined || openTenant === undefined) return {};
  try {
    const vaultToken = await openTenant(tenant, signal);
    return vaultToken === undefined ? {} : { vaultToken };
  } catch (error) {
    if (!isServiceError(error) || error.fault === 'unavailable') throw error;
    logger.info({ session: name, jobId, tenant, why: error.message }, 'tenant has no Vault token');
    return { note: `WARNING: VAULT_TOKEN of tenant ${tenant} is not set: ${error.message}` };
  }
}
