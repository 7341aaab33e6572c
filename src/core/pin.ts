import type { Configuration, PinnedRepository, RepositoryReference } from './configuration.js';
import { ServiceError } from './errors.js';
import { toTimeLimits, type Options } from './options.js';
import { selectLayers } from './plan.js';
import type { SessionRequest, Snapshot } from './session.js';

const DEBUG_PREFIX = 'debug_';

/** What a session's snapshot is made from, as it is now. */
export interface Basis {
  readonly request: Pick<SessionRequest, 'configurationName' | 'configurationLimit'>;
  /** Undefined if there is none of this name; then it must be a debug playbook. */
  readonly configuration: Configuration | undefined;
  readonly options: Options;
}

/** One value for each repository of a session: for the layers that its limit selects, in order, and for its inventory. */
export interface PerRepository<T> {
  readonly layers: readonly T[];
  readonly inventory?: T;
}

export interface WantedRepository {
  readonly reference: RepositoryReference;
  /** For messages: `Layer 1 of compute`. */
  readonly what: string;
}

/** Calls `act` on all of them at once. */
export async function mapRepositories<T, R>(
  { layers, inventory }: PerRepository<T>,
  act: (repository: T) => Promise<R>,
): Promise<PerRepository<R>> {
  const [ofLayers, ofInventory] = await Promise.all([
    Promise.all(layers.map(act)),
    inventory && act(inventory),
  ]);
  return { layers: ofLayers, ...(ofInventory === undefined ? {} : { inventory: ofInventory }) };
}

/** The repositories whose commits must be known before the session can run. */
export function listRepositories({
  request,
  configuration,
  options,
}: Basis): PerRepository<WantedRepository> {
  if (configuration === undefined) {
    toDebugPlaybook(request.configurationName);
    return { layers: [], ...wantDefaultInventory(options) };
  }
  return {
    layers: selectLayers(configuration.layers, request.configurationLimit).map(
      ({ index, layer }) => ({
        reference: layer,
        what: `Layer ${index} of ${configuration.name}`,
      }),
    ),
    ...wantInventory(configuration, options),
  };
}

export function toSnapshot(
  { request, configuration, options }: Basis,
  pinned: PerRepository<PinnedRepository>,
): Snapshot {
  const { configurationName } = request;
  return {
    configurationName,
    options: { debugWaitTime: options.debugWaitTime, defaultPlaybook: options.defaultPlaybook },
    limits: toTimeLimits(options),
    ...(configuration === undefined
      ? { layers: [], debugPlaybook: toDebugPlaybook(configurationName) }
      : toContent(configuration, request, pinned)),
    ...(pinned.inventory === undefined ? {} : { additionalInventory: pinned.inventory }),
  };
}

function toContent(
  configuration: Configuration,
  { configurationLimit }: Basis['request'],
  pinned: PerRepository<PinnedRepository>,
): Pick<Snapshot, 'layers' | 'requireDkms' | 'tenant'> {
  const { layers, tenantName: tenant = '' } = configuration;
  const requireDkms = layers.some(({ imsRequireDkms }) => imsRequireDkms === true);
  return {
    layers: selectLayers(layers, configurationLimit).flatMap(({ index, layer }, position) => {
      const repository = pinned.layers[position];
      if (repository === undefined) return [];
      const name = layer.name === undefined ? {} : { name: layer.name };
      return { index, ...name, repository, playbook: layer.playbook ?? '' };
    }),
    ...(requireDkms ? { requireDkms } : {}),
    ...(tenant === '' ? {} : { tenant }),
  };
}

function toDebugPlaybook(name: string): string {
  if (name.startsWith(DEBUG_PREFIX)) return name.slice(DEBUG_PREFIX.length);
  throw new ServiceError(
    'missing',
    `Configuration ${name} was deleted before the session started.`,
    { reason: 'PLAYBOOK_ERROR' },
  );
}

type WantedInventory = Pick<PerRepository<WantedRepository>, 'inventory'>;

/** The configuration's own additional inventory, or else the default branch of the one in the options. */
function wantInventory(
  { name, additionalInventory: reference }: Configuration,
  options: Options,
): WantedInventory {
  if (reference?.cloneUrl !== undefined || reference?.source !== undefined)
    return { inventory: { reference, what: `The additional inventory of ${name}` } };
  return wantDefaultInventory(options);
}

function wantDefaultInventory({
  additionalInventorySource: source,
  additionalInventoryUrl: cloneUrl,
}: Options): WantedInventory {
  if (source !== '')
    return { inventory: { reference: { source }, what: 'Option additional_inventory_source' } };
  if (cloneUrl === '') return {};
  return { inventory: { reference: { cloneUrl }, what: 'Option additional_inventory_url' } };
}
