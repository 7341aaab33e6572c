import { isServiceError } from '../core/errors.js';
import type { Session } from '../core/session.js';
import type { ActivityDependencies } from './dependencies.js';

/**
 * The token with which playbooks open the secrets of their configuration's tenant. If Vault refuses it, the session goes on
 * without it, because many playbooks need none, and `note` says so in its log. If Vault does not answer, the step is repeated.
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
