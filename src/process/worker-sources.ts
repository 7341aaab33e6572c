import type { ImageDependencies } from '../activities/dependencies.js';
import { createHsmClient } from '../clients/hsm.js';
import { createImageShell } from '../clients/image-shell.js';
import { createImsClient } from '../clients/ims.js';
import type { HardwareClient, OpenTenant } from '../clients/interfaces.js';
import { createInventoryFile } from '../clients/inventory-file.js';
import { createTenantClient } from '../clients/tapms.js';
import { createVaultClient } from '../clients/vault.js';
import type { SourceConfig } from '../config/sources.js';
import { omitUndefined } from '../core/omit-undefined.js';
import type { IssueToken } from '../runner/account-token.js';
import { toImageKey } from './image-key.js';

/** HSM itself ends a request after this time. */
const HSM_TIMEOUT_SECONDS = 60;
/** IMS handles one request at a time, and copies large objects between requests. */
const IMS_TIMEOUT_SECONDS = 60;

export function createHardwareSource(sources: SourceConfig): HardwareClient {
  const { inventoryFile, hsmUrl, hsmTokenFile, hsmCaFile } = sources;
  if (inventoryFile !== undefined) return createInventoryFile(inventoryFile);
  return createHsmClient({
    url: hsmUrl,
    timeoutSeconds: HSM_TIMEOUT_SECONDS,
    ...omitUndefined({ tokenFile: hsmTokenFile, caFile: hsmCaFile }),
  });
}

/**
 * Called at the start, although each session reads the file again: whoever made a mistake in it is likely to be watching now.
 */
export async function logInventoryFault(
  hardware: HardwareClient,
  logger: { error(fields: object, message: string): void },
): Promise<void> {
  try {
    await hardware.fetchHardwareState(new AbortController().signal);
  } catch (error) {
    logger.error(
      { why: (error as Error).message },
      'INVENTORY_FILE cannot be used; sessions with a dynamic inventory fail until it is corrected',
    );
  }
}

/** Undefined if no image management service is configured. */
export function createImageSource(
  { imsUrl, imsTokenFile, imsCaFile }: SourceConfig,
  masterKey: Uint8Array,
  deploymentId: string,
): ImageDependencies | undefined {
  if (imsUrl === undefined) return undefined;
  return {
    client: createImsClient({
      url: imsUrl,
      timeoutSeconds: IMS_TIMEOUT_SECONDS,
      ...omitUndefined({ tokenFile: imsTokenFile, caFile: imsCaFile }),
    }),
    shell: createImageShell(),
    toKey: (jobId) => toImageKey(masterKey, jobId),
    deploymentId,
  };
}

/** Undefined if tenants have no keys. The keys are in Vault, for service accounts of the tenant's Kubernetes namespace. */
export function createTenantOpener(
  { tapmsUrl, vault }: SourceConfig,
  issueToken: IssueToken | undefined,
): OpenTenant | undefined {
  if (tapmsUrl === undefined || vault === undefined || issueToken === undefined) return undefined;
  const tenants = createTenantClient({ url: tapmsUrl });
  const client = createVaultClient(vault);
  return async (tenant, signal) => {
    const keys = await tenants.findKeys(tenant, signal);
    if (keys === undefined) return undefined;
    const jwt = await issueToken(keys.namespace, signal);
    return client.logIn({ role: keys.transit, jwt }, signal);
  };
}
