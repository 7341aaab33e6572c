import { describeCheck } from '../core/check-mode.js';
import { listPhases, selectLayers } from '../core/plan.js';
import { describeRetry } from '../core/retry-line.js';
import { planLeftOut } from '../core/retry.js';
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
import { describeWaits } from '../core/waiting.js';
import { getSession, type ActivityDependencies } from './dependencies.js';
import { withHeartbeat, type Heartbeat } from './heartbeat.js';
import type { Activities } from './interface.js';
import { readWithin, type SourceLimit } from './source-limit.js';
import { openWaits } from './waits.js';

const DEBUG_PREFIX = 'debug_';

export function createResolveActivities(
  dependencies: ActivityDependencies,
): Pick<Activities, 'resolveConfiguration'> {
  return {
    resolveConfiguration: ({ jobId }) =>
      withHeartbeat((_, beat) => resolveConfiguration(dependencies, jobId, beat)),
  };
}

/** Once: a repeat finds the stored snapshot, and its plan. */
export async function resolveConfiguration(
  dependencies: ActivityDependencies,
  jobId: string,
  beat: Heartbeat,
): Promise<{ readonly phases: readonly PhaseOutline[] }> {
  const { store, now } = dependencies;
  const session = await getSession(store, jobId);
  const snapshot =
    session.snapshot ??
    (await store.sessions.saveSnapshot(jobId, await buildSnapshot(dependencies, session, beat)));
  const phases = listPhases(session, snapshot);
  await store.phases.savePlan(jobId, phases);
  if (session.snapshot === undefined && session.launchedAt === undefined)
    for (const line of [
      describeCheck(session.request),
      describeRetry(session, snapshot),
      ...describeWaits(session, now()),
    ])
      if (line !== undefined) await store.logs.appendLine(jobId, 'inventory', line);
  return { phases };
}

async function buildSnapshot(
  dependencies: ActivityDependencies,
  session: Session,
  beat: Heartbeat,
): Promise<Snapshot> {
  const { store, git, openSource } = dependencies;
  const options = await store.options.get();
  const limits = toTimeLimits(options);
  const { configurationName } = session.request;
  const configuration = (await store.configurations.find(configurationName))?.configuration;
  const asked = new Set<string>();
  const limit: SourceLimit = {
    seconds: limits.cloneSeconds,
    option: 'clone_time_limit',
    what: 'A repository',
    reason: 'GIT_CLONE',
    toSilence: (seconds) =>
      `Repository ${[...asked].join(', ')} had not answered for ${seconds} s.`,
  };
  const content = await readWithin(limit, beat, openWaits(dependencies, session), (signal) => {
    const pin: Pin = (reference, what) =>
      pinRepository(reference, what, { git, openSource, signal, asked });
    return configuration === undefined
      ? pinDebugPlaybook(configurationName, options, pin)
      : pinConfiguration(configuration, session, options, pin);
  });
  const snapshot = {
    configurationName,
    options: { debugWaitTime: options.debugWaitTime, defaultPlaybook: options.defaultPlaybook },
    limits,
    ...content,
  };
  return { ...snapshot, ...leaveOut(session, snapshot) };
}

/** Fault `conflict` where nothing would be left of a retry. */
function leaveOut({ done, request }: Session, snapshot: Snapshot): Pick<Snapshot, 'leftOut'> {
  const leftOut = done && planLeftOut(done, snapshot);
  if (leftOut !== undefined && leftOut.layers === snapshot.layers.length)
    throw new ServiceError(
      'conflict',
      `Nothing is left to do: session ${request.retryOf} has done every layer that ${request.configurationName} now has. A new session applies them again.`,
      { reason: 'PLAYBOOK_ERROR' },
    );
  return leftOut === undefined ? {} : { leftOut };
}

type Content = Pick<
  Snapshot,
  'layers' | 'debugPlaybook' | 'additionalInventory' | 'requireDkms' | 'tenant'
>;

async function pinDebugPlaybook(name: string, options: Options, pin: Pin): Promise<Content> {
  if (!name.startsWith(DEBUG_PREFIX)) throw gone(name);
  const debugPlaybook = name.slice(DEBUG_PREFIX.length);
  const inventory = await pinDefaultInventory(options, pin);
  return { layers: [], debugPlaybook, ...toAdditionalInventory(inventory) };
}

async function pinConfiguration(
  configuration: Configuration,
  { request: { configurationLimit } }: Session,
  options: Options,
  pin: Pin,
): Promise<Content> {
  const selected = selectLayers(configuration.layers, configurationLimit);
  const [layers, additionalInventory] = await Promise.all([
    Promise.all(
      selected.map(async ({ index, layer }): Promise<PinnedLayer> => {
        const repository = await pin(layer, `Layer ${index} of ${configuration.name}`);
        return {
          index,
          ...(layer.name === undefined ? {} : { name: layer.name }),
          repository,
          playbook: layer.playbook ?? '',
        };
      }),
    ),
    pinAdditionalInventory(configuration, options, pin),
  ]);
  const { tenantName: tenant = '' } = configuration;
  const requireDkms = configuration.layers.some(({ imsRequireDkms }) => imsRequireDkms === true);
  return {
    layers,
    ...(requireDkms ? { requireDkms } : {}),
    ...(tenant === '' ? {} : { tenant }),
    ...toAdditionalInventory(additionalInventory),
  };
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
  if (additionalInventory?.cloneUrl !== undefined || additionalInventory?.source !== undefined) {
    return pin(additionalInventory, `The additional inventory of ${name}`);
  }
  return pinDefaultInventory(options, pin);
}

function pinDefaultInventory(
  { additionalInventorySource: source, additionalInventoryUrl }: Options,
  pin: Pin,
): Promise<PinnedRepository> | undefined {
  if (source !== '') return pin({ source }, 'Option additional_inventory_source');
  if (additionalInventoryUrl === '') return undefined;
  return pin({ cloneUrl: additionalInventoryUrl }, 'Option additional_inventory_url');
}

interface Question {
  readonly git: ActivityDependencies['git'];
  readonly openSource: ActivityDependencies['openSource'];
  readonly signal: AbortSignal;
  /** Repositories that have not answered yet. */
  readonly asked: Set<string>;
}

/** A stored commit is taken as it is; without one the branch, else the default branch, is looked up now. */
async function pinRepository(
  reference: RepositoryReference,
  what: string,
  question: Question,
): Promise<PinnedRepository> {
  const { cloneUrl, source = '', commit } = reference;
  if (source !== '') return pinSource(source, reference, question);
  if (cloneUrl === undefined) {
    const message = `${what} names neither a clone_url nor a source.`;
    throw new ServiceError('invalid', message, { reason: 'GIT_CLONE' });
  }
  if (commit !== undefined) return { url: cloneUrl, commit };
  const { git, signal, asked } = question;
  asked.add(cloneUrl);
  const found = await git.resolve(cloneUrl, reference.branch ?? '', signal);
  asked.delete(cloneUrl);
  return { url: cloneUrl, commit: found };
}

/** Credentials are looked at even where the commit is known: what cannot be read fails here, before anything is staged. */
async function pinSource(
  source: string,
  { commit, branch = '' }: RepositoryReference,
  { git, openSource, signal, asked }: Question,
): Promise<PinnedRepository> {
  const { url, access } = await openSource(source, signal);
  if (commit !== undefined) return { url, source, commit };
  asked.add(url);
  const found = await git.resolve(url, branch, signal, access);
  asked.delete(url);
  return { url, source, commit: found };
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
