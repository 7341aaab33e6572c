import { toPhaseTitle, planJob, selectLayers } from '../core/plan.js';
import type {
  Configuration,
  PinnedLayer,
  PinnedRepository,
  RepositoryReference,
} from '../core/configuration.js';
import { ServiceError } from '../core/errors.js';
import { toTimeLimits, type Options } from '../core/options.js';
import type { PhaseOutline } from '../core/progress.js';
import type { Session, Snapshot } from '../core/session.js';
import { getSession, type ActivityDependencies } from './dependencies.js';
import { withHeartbeat } from './heartbeat.js';
import type { Activities } from './interface.js';

const DEBUG_PREFIX = 'debug_';

export function createResolveActivities(
  dependencies: ActivityDependencies,
): Pick<Activities, 'resolveConfiguration'> {
  return {
    resolveConfiguration: ({ jobId }) =>
      withHeartbeat((signal) => resolveConfiguration(dependencies, jobId, signal)),
  };
}

/** Once: a repeat finds the stored snapshot, and its plan. */
export async function resolveConfiguration(
  dependencies: ActivityDependencies,
  jobId: string,
  signal: AbortSignal,
): Promise<{ readonly phases: readonly PhaseOutline[] }> {
  const { store } = dependencies;
  const session = await getSession(store, jobId);
  const snapshot =
    session.snapshot ??
    (await store.sessions.saveSnapshot(jobId, await buildSnapshot(dependencies, session, signal)));
  const { phases } = planJob(session, snapshot);
  const outline = phases.map((phase) => ({
    name: phase.name,
    kind: phase.kind,
    title: toPhaseTitle(phase),
  }));
  await store.phases.savePlan(jobId, outline);
  return { phases: outline };
}

async function buildSnapshot(
  { store, git }: ActivityDependencies,
  session: Session,
  signal: AbortSignal,
): Promise<Snapshot> {
  const options = await store.options.get();
  const { configurationName, configurationLimit } = session.request;
  const configuration = (await store.configurations.find(configurationName))?.configuration;
  const shared = {
    configurationName,
    options: { debugWaitTime: options.debugWaitTime, defaultPlaybook: options.defaultPlaybook },
    limits: toTimeLimits(options),
  };
  const pin = (reference: RepositoryReference, what: string) =>
    pinRepository(reference, what, git, signal);
  if (configuration === undefined) {
    if (!configurationName.startsWith(DEBUG_PREFIX)) throw gone(configurationName);
    const debugPlaybook = configurationName.slice(DEBUG_PREFIX.length);
    const inventory = await pinDefaultInventory(options, pin);
    return { ...shared, layers: [], debugPlaybook, ...toAdditionalInventory(inventory) };
  }
  const selected = selectLayers(configuration.layers, configurationLimit);
  const [layers, additionalInventory] = await Promise.all([
    Promise.all(
      selected.map(async ({ index, layer }): Promise<PinnedLayer> => {
        const repository = await pin(layer, `Layer ${index} of ${configurationName}`);
        return {
          index,
          ...(layer.name === undefined ? {} : { name: layer.name }),
          repository,
          playbook: layer.playbook,
          requireDkms: layer.imsRequireDkms ?? false,
        };
      }),
    ),
    pinAdditionalInventory(configuration, options, pin),
  ]);
  return { ...shared, layers, ...toAdditionalInventory(additionalInventory) };
}

function toAdditionalInventory(additionalInventory: PinnedRepository | undefined) {
  return additionalInventory === undefined ? {} : { additionalInventory };
}

type Pin = (reference: RepositoryReference, what: string) => Promise<PinnedRepository>;

/** The configuration's own goes before the option, whose default branch is taken; debug playbooks have no other. */
function pinAdditionalInventory(
  { name, additionalInventory }: Configuration,
  options: Options,
  pin: Pin,
): Promise<PinnedRepository> | undefined {
  if (additionalInventory?.cloneUrl !== undefined) {
    return pin(additionalInventory, `The additional inventory of ${name}`);
  }
  return pinDefaultInventory(options, pin);
}

function pinDefaultInventory(
  { additionalInventoryUrl }: Options,
  pin: Pin,
): Promise<PinnedRepository> | undefined {
  if (additionalInventoryUrl === '') return undefined;
  return pin({ cloneUrl: additionalInventoryUrl }, 'Option additional_inventory_url');
}

/** A stored commit is taken as it is; without one the branch, else the default branch, is looked up now. */
async function pinRepository(
  { cloneUrl, commit, branch }: RepositoryReference,
  what: string,
  git: ActivityDependencies['git'],
  signal: AbortSignal,
): Promise<PinnedRepository> {
  if (cloneUrl === undefined) {
    throw new ServiceError(
      'invalid',
      `${what} names a source, and sources are not supported yet.`,
      {
        reason: 'GIT_CLONE',
      },
    );
  }
  return { url: cloneUrl, commit: commit ?? (await git.resolve(cloneUrl, branch ?? '', signal)) };
}

function gone(name: string): ServiceError {
  return new ServiceError(
    'missing',
    `Configuration ${name} was deleted before the session started.`,
    {
      reason: 'PLAYBOOK_ERROR',
    },
  );
}
