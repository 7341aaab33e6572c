import { createGitClient } from '../clients/git.js';
import type { GitClient, OpenSource, TenantClient } from '../clients/interfaces.js';
import { createTenantClient } from '../clients/tapms.js';
import { createVaultClient } from '../clients/vault.js';
import type { SourceConfig } from '../config/sources.js';
import { omitUndefined } from '../core/omit-undefined.js';
import type { SourceStore } from '../store/configurations/source-store.js';
import { limitGit } from './git-turns.js';
import { createOpenSource } from './source-access.js';

export function createGitSource(sources: SourceConfig): GitClient {
  const options = omitUndefined({
    protocols: sources.gitProtocols,
    proxy: sources.gitProxy,
    credentialsFile: sources.gitCredentialsFile,
    caFile: sources.gitCaFile,
    sshKeyFile: sources.gitSshKeyFile,
    knownHostsFile: sources.gitKnownHostsFile,
  });
  return limitGit(createGitClient(options));
}

export function createSourceOpener(
  { vault, sourceCaDirectory }: SourceConfig,
  store: Pick<SourceStore, 'find'>,
  masterKey: Uint8Array,
): OpenSource {
  return createOpenSource({
    store,
    masterKey,
    ...omitUndefined({ vault: vault && createVaultClient(vault), caDirectory: sourceCaDirectory }),
  });
}

/** Undefined if no tenant service is configured. */
export function createTenantSource({ tapmsUrl }: SourceConfig): TenantClient | undefined {
  return tapmsUrl === undefined ? undefined : createTenantClient({ url: tapmsUrl });
}
