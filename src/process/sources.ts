import { createGitClient } from '../clients/git.js';
import type { GitClient, OpenSource, TenantClient } from '../clients/interfaces.js';
import { createTenantClient } from '../clients/tapms.js';
import { createVaultClient } from '../clients/vault.js';
import type { SourceConfig } from '../config/sources.js';
import type { SourceStore } from '../store/configurations/source-store.js';
import { limitGit } from './git-turns.js';
import { createOpenSource } from './source-access.js';

export function createGitSource(sources: SourceConfig): GitClient {
  const { gitProtocols, gitCredentialsFile, gitCaFile, gitSshKeyFile, gitKnownHostsFile } = sources;
  const client = createGitClient({
    protocols: gitProtocols,
    ...(gitCredentialsFile === undefined ? {} : { credentialsFile: gitCredentialsFile }),
    ...(gitCaFile === undefined ? {} : { caFile: gitCaFile }),
    ...(gitSshKeyFile === undefined ? {} : { sshKeyFile: gitSshKeyFile }),
    ...(gitKnownHostsFile === undefined ? {} : { knownHostsFile: gitKnownHostsFile }),
  });
  return limitGit(client);
}

export function createSourceOpener(
  { vault, sourceCaDirectory }: SourceConfig,
  store: Pick<SourceStore, 'find'>,
  masterKey: Uint8Array,
): OpenSource {
  return createOpenSource({
    store,
    masterKey,
    ...(vault === undefined ? {} : { vault: createVaultClient(vault) }),
    ...(sourceCaDirectory === undefined ? {} : { caDirectory: sourceCaDirectory }),
  });
}

/** Undefined if no tenant service is configured. */
export function createTenantSource({ tapmsUrl }: SourceConfig): TenantClient | undefined {
  return tapmsUrl === undefined ? undefined : createTenantClient({ url: tapmsUrl });
}
