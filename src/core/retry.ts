import type { PinnedLayer } from './configuration.js';
import { isSuccess, type HostResult, type PhaseResult } from './job.js';
import { addToName } from './names.js';
import {
  isKept,
  type DoneLayer,
  type DoneWork,
  type LeftOut,
  type Session,
  type SessionRequest,
  type Snapshot,
} from './session.js';

/**
 * Limit of all host names together: enough for 17,000 xnames. If they have more, the layer runs on all hosts again. They share
 * the plan of a pod, at most 1 MiB, with the limit of the session.
 */
const MAX_HOST_CHARACTERS = 250_000;

/** What is known about a phase of the session that is to be retried. */
export interface EndedPhase {
  readonly name: string;
  readonly result?: PhaseResult;
  readonly startedAt?: string;
  readonly hostsFinal: boolean;
  readonly hostsWhole?: boolean;
  /** Its last run used other files than those of the recorded commit, so no host has that commit from it. */
  readonly filesChanged?: boolean;
}

/** `a-retry-1` for `a`, and `a-retry-2` for a retry of that one. Fixed, so that repeated requests make only one retry. */
export function toRetryName(name: string): string {
  const [, base = name, count = '0'] = /^(.+)-retry-(\d{1,9})$/.exec(name) ?? [];
  return addToName(base, `-retry-${Number(count) + 1}`);
}

/** The same request under another name. A retry uses the configuration as it is then, even if its session applied a check. */
export function toRetried(request: SessionRequest, name: string): SessionRequest {
  const retried: { -readonly [Member in keyof SessionRequest]: SessionRequest[Member] } = {
    ...request,
    name,
    retryOf: request.name,
  };
  delete retried.applyOf;
  return retried;
}

/** The phase of the first layer that is not done. Undefined if there is none, or if it is not known. */
export function findOpenPhase(
  { snapshot }: Pick<Session, 'snapshot'>,
  phases: readonly EndedPhase[],
): EndedPhase | undefined {
  const layer = snapshot?.layers[countDone(snapshot, phases)];
  return layer && phases.find(({ name }) => name === toPhaseName(layer));
}

/**
 * What a complete session, and the sessions that it retried, have done. `hosts` are all results
 * of its open phase. Undefined if nothing is known to be done, or if what was done does not last.
 */
export function collectDone(
  session: Session,
  phases: readonly EndedPhase[],
  hosts: readonly HostResult[],
): DoneWork | undefined {
  const { snapshot, done, request } = session;
  if (!isKept(request)) return undefined;
  if (snapshot === undefined || snapshot.isGuess === true) return done;
  const count = countDone(snapshot, phases);
  const [open] = snapshot.layers.slice(count);
  const through = listThrough(session, findOpenPhase(session, phases), hosts);
  return {
    layers: snapshot.layers.slice(0, count).map((layer) => toDoneLayer(layer, snapshot)),
    ...toDoneInventory(snapshot),
    ...(open === undefined || through.length === 0
      ? {}
      : { partial: { layer: toDoneLayer(open, snapshot), hosts: through } }),
  };
}

/** Whether every layer of the session is done, so that a retry would do nothing. */
export function isAllDone(snapshot: Snapshot | undefined, done: DoneWork | undefined): boolean {
  const layers = snapshot?.layers.length ?? 0;
  return layers > 0 && done?.layers.length === layers;
}

/**
 * What a retry leaves out: the leading layers that have not changed since they were done, and possibly, of the next layer,
 * the hosts that have it. Nothing if the additional inventory has changed, because any layer may read its variables.
 */
export function planLeftOut(
  done: DoneWork,
  snapshot: Pick<Snapshot, 'layers' | 'options' | 'additionalInventory'>,
): LeftOut | undefined {
  if (!hasSameInventory(done, snapshot)) return undefined;
  const now = snapshot.layers.map((layer) => toDoneLayer(layer, snapshot));
  const changed = now.findIndex((layer, position) => !isSame(layer, done.layers[position]));
  const layers = changed < 0 ? now.length : changed;
  const [next] = now.slice(layers);
  const hosts =
    next !== undefined && layers === done.layers.length && isSame(next, done.partial?.layer);
  return layers === 0 && !hosts ? undefined : { layers, hosts };
}

function countDone(
  { layers, leftOut }: Pick<Snapshot, 'layers' | 'leftOut'>,
  phases: readonly EndedPhase[],
): number {
  const well = phases.filter(
    ({ result, filesChanged }) =>
      result !== undefined && isSuccess(result) && filesChanged !== true,
  );
  const names = new Set(well.map(({ name }) => name));
  const first = leftOut?.layers ?? 0;
  const open = layers.slice(first).findIndex((layer) => !names.has(toPhaseName(layer)));
  return open < 0 ? layers.length : first + open;
}

/** The hosts that came to the end of the playbook. Empty if that is not certain for every one of them. */
function listThrough(
  { snapshot, done, outcome, launchedAt }: Session,
  phase: EndedPhase | undefined,
  results: readonly HostResult[],
): readonly string[] {
  const before = snapshot?.leftOut?.hosts === true ? (done?.partial?.hosts ?? []) : [];
  const isFirst = phase?.name === toPhaseName(snapshot?.layers[snapshot.leftOut?.layers ?? 0]);
  const earlier = isFirst ? before : [];
  if (phase === undefined || outcome?.succeeded === 'unknown') return [];
  if (!mayHaveBegun(phase, launchedAt)) return earlier;
  if (!phase.hostsFinal || phase.hostsWhole !== true) return [];
  const seen = new Set(results.map(({ host }) => host));
  const through = results.filter(isThrough).map(({ host }) => host);
  const all = [...earlier.filter((host) => !seen.has(host)), ...through];
  return all.join('').length > MAX_HOST_CHARACTERS ? [] : all;
}

/** If the job was launched, a phase about which nothing is known may have begun. */
function mayHaveBegun({ startedAt, result }: EndedPhase, launchedAt: string | undefined): boolean {
  const byResult = result === undefined ? launchedAt !== undefined : result.kind !== 'unstarted';
  return startedAt !== undefined || byResult;
}

function isThrough({ failed, unreachable, incomplete }: HostResult): boolean {
  return failed === 0 && unreachable === 0 && !incomplete;
}

function toPhaseName(layer: PinnedLayer | undefined): string {
  return `ansible-${layer?.index}`;
}

/** Fills in the default playbook. */
export function toDoneLayer(
  { repository, playbook }: PinnedLayer,
  { options }: Pick<Snapshot, 'options'>,
): DoneLayer {
  return {
    url: repository.url,
    commit: repository.commit,
    playbook: playbook === '' ? options.defaultPlaybook : playbook,
  };
}

function toDoneInventory({
  additionalInventory,
}: Pick<Snapshot, 'additionalInventory'>): Pick<DoneWork, 'inventory'> {
  if (additionalInventory === undefined) return {};
  const { url, commit } = additionalInventory;
  return { inventory: { url, commit } };
}

/** Whether the additional inventory is still the one with which the work was done. */
export function hasSameInventory(
  { inventory: before }: DoneWork,
  snapshot: Pick<Snapshot, 'additionalInventory'>,
): boolean {
  const { inventory: now } = toDoneInventory(snapshot);
  return now?.url === before?.url && now?.commit === before?.commit;
}

function isSame(one: DoneLayer, other: DoneLayer | undefined): boolean {
  return one.url === other?.url && one.commit === other.commit && one.playbook === other.playbook;
}
