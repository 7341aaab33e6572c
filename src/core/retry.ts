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

/** All names of hosts that are kept; where there are more, all hosts run again. */
const MAX_HOST_CHARACTERS = 100_000;

/** What is known of a phase of the session that is to be retried. */
export interface EndedPhase {
  readonly name: string;
  readonly result?: PhaseResult;
  readonly startedAt?: string;
  readonly hostsFinal: boolean;
  readonly hostsWhole?: boolean;
}

/** `a-retry-1`, and `a-retry-2` for a retry of that one: a session has one retry of this name, however often it is asked for. */
export function toRetryName(name: string): string {
  const [, base = name, count = '0'] = /^(.+)-retry-(\d{1,9})$/.exec(name) ?? [];
  return addToName(base, `-retry-${Number(count) + 1}`);
}

/** The same request; the configuration counts as it is then, also where its session had to apply what was checked. */
export function toRetried(request: SessionRequest, name: string): SessionRequest {
  const retried: { -readonly [Member in keyof SessionRequest]: SessionRequest[Member] } = {
    ...request,
    name,
    retryOf: request.name,
  };
  delete retried.applyOf;
  return retried;
}

/** The phase of the first layer that is not done; undefined: there is none, or it is not known. */
export function findOpenPhase(
  { snapshot }: Pick<Session, 'snapshot'>,
  phases: readonly EndedPhase[],
): EndedPhase | undefined {
  const layer = snapshot?.layers[countDone(snapshot, phases)];
  return layer && phases.find(({ name }) => name === toPhaseName(layer));
}

/**
 * What a complete session, and those that it retried, have done. `hosts` are all results of its open phase. Undefined: nothing
 * is known to be done, or what was done does not last.
 */
export function collectDone(
  session: Session,
  phases: readonly EndedPhase[],
  hosts: readonly HostResult[],
): DoneWork | undefined {
  const { snapshot, done, request } = session;
  if (!isKept(request)) return undefined;
  if (snapshot === undefined) return done;
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

/** Whether there is nothing that a retry could do. */
export function isAllDone(snapshot: Snapshot | undefined, done: DoneWork | undefined): boolean {
  const layers = snapshot?.layers.length ?? 0;
  return layers > 0 && done?.layers.length === layers;
}

/**
 * Leading layers that are the same as they were done; and whether the hosts that have the next one are left out of that. None
 * where the additional inventory has changed: any layer may read its variables.
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
  const well = phases.filter(({ result }) => result !== undefined && isSuccess(result));
  const names = new Set(well.map(({ name }) => name));
  const first = leftOut?.layers ?? 0;
  const open = layers.slice(first).findIndex((layer) => !names.has(toPhaseName(layer)));
  return open < 0 ? layers.length : first + open;
}

/** None where it is not sure of all of them that they came to the end of the playbook. */
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

/** Of a job that was launched, a phase of which nothing is known may have. */
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

/** With the playbook that it is run by. */
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

/** Whether the additional inventory is the one with which it was done. */
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
