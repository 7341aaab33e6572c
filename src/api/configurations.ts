import type { Configuration } from '../core/configuration.js';
import { isServiceError, missing } from '../core/errors.js';
import type { Store, StoredConfiguration } from '../store/store.js';
import { dropBranches, resolveBranches } from './branch.js';
import { checkConflicts, checkRepositories } from './configuration-rules.js';
import type { ApiDependencies } from './dependencies.js';
import { fromConfigurationPut, type ConfigurationBody } from './wire/configuration.js';
import { toSeconds } from './wire/values.js';

export interface ConfigurationPutRequest {
  readonly name: string;
  readonly body: ConfigurationBody;
  readonly branchTitle: string;
  readonly isDroppingBranches?: boolean;
}

export async function putConfiguration(
  { store, git, gitProtocols, now }: ApiDependencies,
  signal: AbortSignal,
  { name, body, branchTitle, isDroppingBranches = false }: ConfigurationPutRequest,
): Promise<Configuration> {
  const asked = fromConfigurationPut(name, body, toSeconds(now()));
  checkRepositories(asked, { gitProtocols, branchTitle });
  const resolved = await resolveBranches(asked, git, signal);
  checkConflicts(resolved.layers);
  const configuration = isDroppingBranches ? dropBranches(resolved) : resolved;
  await store.configurations.save(configuration);
  return configuration;
}

/** Somebody else's write meanwhile is read and refreshed instead, once. */
export async function refreshConfiguration(
  { store, git, now }: ApiDependencies,
  name: string,
  signal: AbortSignal,
): Promise<Configuration> {
  const save = async () => {
    const { configuration, version } = await findConfiguration(store, name);
    const resolved = await resolveBranches(configuration, git, signal);
    const fresh = { ...resolved, lastUpdated: toSeconds(now()) };
    await store.configurations.save(fresh, version);
    return fresh;
  };
  try {
    return await save();
  } catch (error) {
    if (!isServiceError(error) || error.fault !== 'conflict') throw error;
    return save();
  }
}

export async function findConfiguration(store: Store, name: string): Promise<StoredConfiguration> {
  const stored = await store.configurations.find(name);
  if (stored === undefined) throw missing('Configuration', name, 'Configuration not found');
  return stored;
}
