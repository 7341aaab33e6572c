import { listSources, type Configuration } from '../core/configuration.js';
import { missing } from '../core/errors.js';
import type { Store, StoredConfiguration } from '../store/store.js';
import { dropBranches, resolveBranches } from './branch.js';
import { checkConflicts, checkRepositories } from './configuration-rules.js';
import { repeatWhileChanged } from './contention.js';
import type { ApiDependencies } from './dependencies.js';
import { fromConfigurationPut, type ConfigurationBody } from './wire/configuration.js';
import { requireOwner, toOwner } from './tenancy.js';
import { toSeconds } from './wire/values.js';

export interface ConfigurationPutRequest {
  readonly name: string;
  readonly body: ConfigurationBody;
  readonly branchTitle: string;
  readonly isDroppingBranches?: boolean;
  /** The tenant that calls; absent: an administrator. */
  readonly tenant?: string | undefined;
  /** Whether to keep the stored owner. For v2, whose requests cannot name one. */
  readonly isKeepingOwner?: boolean;
}

export async function putConfiguration(
  deps: ApiDependencies,
  signal: AbortSignal,
  request: ConfigurationPutRequest,
): Promise<Configuration> {
  const { store, gitProtocols, now } = deps;
  const { name, body, branchTitle, isDroppingBranches = false, tenant } = request;
  const asked = fromConfigurationPut(name, body, toSeconds(now()));
  const owner = toOwner(body.tenant_name, tenant);
  // An administrator may change any, so nothing need be read.
  if (tenant !== undefined) await requireOwned(store, name, tenant);
  const sourceUrls = await store.sources.findUrls(listSources(asked));
  checkRepositories(asked, { gitProtocols, branchTitle, sourceUrls });
  const resolved = await resolveBranches(asked, deps, signal);
  checkConflicts(resolved.layers, sourceUrls);
  const configuration = isDroppingBranches ? dropBranches(resolved) : resolved;
  return saveFor(store, withOwner(configuration, owner), request);
}

async function requireOwned(
  store: Store,
  name: string,
  tenant: string | undefined,
): Promise<StoredConfiguration | undefined> {
  const stored = await store.configurations.find(name);
  if (stored !== undefined) requireOwner(stored.configuration, tenant);
  return stored;
}

/** Reads the owner again, which may have changed while branches were resolved; saves only if it does not change before that. */
async function saveFor(
  store: Store,
  configuration: Configuration,
  { name, tenant, isKeepingOwner = false }: ConfigurationPutRequest,
): Promise<Configuration> {
  if (tenant === undefined && !isKeepingOwner) {
    await store.configurations.save(configuration);
    return configuration;
  }
  return repeatWhileChanged(async () => {
    const stored = await requireOwned(store, name, tenant);
    const owner = isKeepingOwner ? stored?.configuration.tenantName : tenant;
    const owned = withOwner(configuration, owner);
    await store.configurations.save(owned, stored?.version ?? 0);
    return owned;
  });
}

function withOwner(configuration: Configuration, tenantName: string | undefined): Configuration {
  if (tenantName !== undefined) return { ...configuration, tenantName };
  const copy: { tenantName?: string } = { ...configuration };
  delete copy.tenantName;
  return copy as Configuration;
}

/** Resolves the branches again. If the configuration changes meanwhile, it is read and resolved anew. */
export async function refreshConfiguration(
  deps: ApiDependencies,
  name: string,
  signal: AbortSignal,
  tenant?: string,
): Promise<Configuration> {
  const { store, now } = deps;
  return repeatWhileChanged(async () => {
    const { configuration, version } = await findConfiguration(store, name, tenant);
    const resolved = await resolveBranches(configuration, deps, signal);
    const fresh = { ...resolved, lastUpdated: toSeconds(now()) };
    await store.configurations.save(fresh, version);
    return fresh;
  });
}

export async function removeConfiguration(
  { store }: ApiDependencies,
  name: string,
  tenant?: string,
): Promise<void> {
  await repeatWhileChanged(async () => {
    const { version } = await findConfiguration(store, name, tenant);
    await store.configurations.remove(name, version);
  });
}

export async function findConfiguration(
  store: Store,
  name: string,
  tenant?: string,
): Promise<StoredConfiguration> {
  const stored = await requireOwned(store, name, tenant);
  if (stored === undefined) throw missing('Configuration', name, 'Configuration not found');
  return stored;
}
