import type { PinnedLayer } from './configuration.js';
import { ServiceError } from './errors.js';
import { listImageIds } from './image.js';
import type { AnsiblePhase, Job, Phase } from './job.js';
import { cutText } from './message.js';
import { omitUndefined } from './omit-undefined.js';
import type { PhaseOutline } from './progress.js';
import { isKept, type Session, type Snapshot } from './session.js';

/** Characters. Temporal takes 400 bytes, and a character has at most three. */
const MAX_TITLE = 130;

const TEARDOWN: PhaseOutline = {
  name: 'teardown',
  kind: 'teardown',
  title: 'teardown: image',
};

/**
 * The layers that a limit selects, in the configuration's order. The limit is a comma-separated list of exact names or
 * zero-based indexes. An index takes precedence over an equal name, because batchers, ours and CFS's, use indexes. An unknown
 * element is an error that lists the layers. (CFS would match substrings, and would run nothing for a limit that fits nothing.)
 */
export function selectLayers<T extends { readonly name?: string }>(
  layers: readonly T[],
  limit: string,
): readonly { readonly index: number; readonly layer: T }[] {
  const all = layers.map((layer, index) => ({ index, layer }));
  if (limit.trim() === '') return all;
  const chosen = new Set<number>();
  for (const element of limit.split(',').map((text) => text.trim())) {
    const indexed = all.filter(({ index }) => String(index) === element);
    const named = all.filter(({ layer }) => element !== '' && layer.name?.trim() === element);
    const matches = indexed.length > 0 ? indexed : named;
    if (matches.length === 0) throw unknownLayer(element, layers);
    for (const { index } of matches) chosen.add(index);
  }
  return all.filter(({ index }) => chosen.has(index));
}

function unknownLayer(
  element: string,
  layers: readonly { readonly name?: string }[],
): ServiceError {
  const known = layers.map(({ name }, index) =>
    name === undefined ? String(index) : `${index} (${name})`,
  );
  return new ServiceError(
    'invalid',
    `configuration_limit: no layer "${element}"; the configuration has ${known.length === 0 ? 'no layers' : known.join(', ')}.`,
    { reason: 'PLAYBOOK_ERROR' },
  );
}

/** The job of a session: clone the selected layers and the additional inventory, make the inventory, run the playbooks. */
export function planJob(session: Session, snapshot: Snapshot): Job {
  const { request } = session;
  const { limits } = snapshot;
  return {
    jobId: session.jobId,
    sessionName: session.name,
    configurationName: request.configurationName,
    inventoryType: request.target.definition,
    ...(request.checkMode === true ? { checkMode: true } : {}),
    phases: [
      ...listRunLayers(snapshot).map((layer) => planClone(layer, limits.cloneSeconds)),
      ...planCloneHosts(snapshot),
      {
        kind: 'inventory',
        name: 'inventory',
        definition: request.target.definition,
        timeoutSeconds: limits.inventorySourcesSeconds,
      },
      ...planPlaybooks(session, snapshot),
    ],
    graceSeconds: limits.cancelGraceSeconds,
    reportWaitSeconds: limits.reportWaitSeconds,
    podPendingSeconds: limits.podPendingSeconds,
  };
}

/** Every phase of the session in order: those of the job, then, in image sessions, the worker's own. */
export function listPhases(session: Session, snapshot: Snapshot): readonly PhaseOutline[] {
  const { phases } = planJob(session, snapshot);
  const outline = phases.map((phase) => ({
    name: phase.name,
    kind: phase.kind,
    title: toPhaseTitle(phase),
  }));
  return session.request.target.definition === 'image' ? [...outline, TEARDOWN] : outline;
}

/** What the Web UI and the table of phases show for a phase: `ansible-1: site.yml`. */
export function toPhaseTitle(phase: Phase): string {
  return cutText(describePhase(phase), MAX_TITLE);
}

function describePhase(phase: Phase): string {
  switch (phase.kind) {
    case 'git-clone':
    case 'git-clone-hosts':
      return `${phase.name}: ${phase.repository.url} ${phase.repository.commit.slice(0, 8)}`;
    case 'inventory':
      return `${phase.name}: ${phase.definition}`;
    case 'ansible':
      return `${phase.name}: ${phase.playbook}`;
  }
}

/** For messages: the repository or playbook that a phase is about. */
export function toPhaseSubject(phase: Phase): string {
  switch (phase.kind) {
    case 'git-clone':
    case 'git-clone-hosts':
      return phase.repository.url;
    case 'inventory':
      return phase.definition;
    case 'ansible':
      return phase.playbook;
  }
}

function planClone(layer: PinnedLayer, timeoutSeconds: number): Phase {
  return {
    kind: 'git-clone',
    name: `git-clone-${layer.index}`,
    layer: layer.index,
    repository: layer.repository,
    directory: `layer${layer.index}`,
    timeoutSeconds,
  };
}

function planCloneHosts({ additionalInventory, limits }: Snapshot): readonly Phase[] {
  if (additionalInventory === undefined) return [];
  return [
    {
      kind: 'git-clone-hosts',
      name: 'git-clone-hosts',
      repository: additionalInventory,
      directory: 'hosts',
      timeoutSeconds: limits.cloneSeconds,
    },
  ];
}

function planPlaybooks(session: Session, snapshot: Snapshot): readonly AnsiblePhase[] {
  const { request } = session;
  const shared = {
    kind: 'ansible',
    limit: toAnsibleLimit(session),
    ...omitUndefined({ limitNamesHosts: request.limitNamesHosts }),
    verbosity: request.ansibleVerbosity,
    passthrough: request.ansiblePassthrough ?? '',
    timeoutSeconds: snapshot.limits.phaseSeconds,
    hostSilentSeconds: snapshot.limits.hostSilentSeconds ?? 0,
    hostSilentLimitSeconds: snapshot.limits.hostSilentLimitSeconds ?? 0,
    debugWaitSeconds: request.debugOnFailure ? snapshot.options.debugWaitTime : 0,
    holdWaitSeconds: snapshot.options.debugWaitTime,
  } as const;
  if (snapshot.debugPlaybook !== undefined)
    return [{ ...shared, ...toDebugPhase(snapshot.debugPlaybook) }];
  const recordsState = isKept(request);
  const left = snapshot.leftOut;
  const doneHosts = left?.hosts === true ? (session.done?.partial?.hosts ?? []) : [];
  const phases = snapshot.layers.map((layer, position) => ({
    ...shared,
    name: `ansible-${layer.index}`,
    layer: String(layer.index),
    previousLayer: String(snapshot.layers[position - 1]?.index ?? ''),
    directory: `layer${layer.index}`,
    playbook: layer.playbook === '' ? snapshot.options.defaultPlaybook : layer.playbook,
    cloneUrl: layer.repository.url,
    recordsState,
    ...(position !== left?.layers || doneHosts.length === 0 ? {} : { doneHosts }),
  }));
  return phases.slice(left?.layers ?? 0);
}

/** What is special about the phase of a playbook that comes with the job instead of a layer. */
function toDebugPhase(playbook: string) {
  return {
    name: 'ansible-0',
    layer: '_debug',
    previousLayer: '',
    directory: 'layer_debug',
    playbook: `${playbook}.yaml`,
    cloneUrl: '',
    recordsState: false,
  };
}

/** The layers that a retry does not leave out. */
function listRunLayers({ layers, leftOut }: Snapshot): readonly PinnedLayer[] {
  return layers.slice(leftOut?.layers ?? 0);
}

/** An image session without a limit is limited to its images. */
function toAnsibleLimit({ request }: Session): string {
  const limit = request.ansibleLimit ?? '';
  if (limit !== '' || request.target.definition !== 'image') return limit;
  return listImageIds(request.target.groups ?? []).join(',');
}
