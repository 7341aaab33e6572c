import { createGitClient } from '../clients/git.js';
import { createHsmClient } from '../clients/hsm.js';
import type { GitClient, HardwareClient } from '../clients/interfaces.js';
import { createInventoryFile } from '../clients/inventory-file.js';
import type { SourceConfig } from '../config.js';

/** The service itself ends a request after as long. */
const HSM_TIMEOUT_SECONDS = 60;

export function createHardwareSource(sources: SourceConfig): HardwareClient {
  const { inventoryFile, hsmUrl, hsmTokenFile, hsmCaFile } = sources;
  if (inventoryFile !== undefined) return createInventoryFile(inventoryFile);
  return createHsmClient({
    url: hsmUrl,
    timeoutSeconds: HSM_TIMEOUT_SECONDS,
    ...(hsmTokenFile === undefined ? {} : { tokenFile: hsmTokenFile }),
    ...(hsmCaFile === undefined ? {} : { caFile: hsmCaFile }),
  });
}

export function createGitSource(sources: SourceConfig): GitClient {
  const { gitProtocols, gitCredentialsFile, gitCaFile, gitSshKeyFile, gitKnownHostsFile } = sources;
  return createGitClient({
    protocols: gitProtocols,
    ...(gitCredentialsFile === undefined ? {} : { credentialsFile: gitCredentialsFile }),
    ...(gitCaFile === undefined ? {} : { caFile: gitCaFile }),
    ...(gitSshKeyFile === undefined ? {} : { sshKeyFile: gitSshKeyFile }),
    ...(gitKnownHostsFile === undefined ? {} : { knownHostsFile: gitKnownHostsFile }),
  });
}
