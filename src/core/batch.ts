import type { Reason } from './errors.js';
import { toBatchResult, type BatchResult } from './backoff-cause.js';
import { MAX_LIMIT_CHARACTERS, type Session } from './session.js';
import type { Component, ConfigurationStatus, DesiredLayerStatus } from './component.js';

/** `open`: takes components until it is sent; `sent`: has a session; `finished`: its components are free again. */
export type BatchState = 'open' | 'sent' | 'finished';

/** What the components of a batch have in common. */
export interface BatchKey {
  readonly configurationName: string;
  /** Indexes of the pending layers, such as `0,2`: the session's configuration limit. */
  readonly layers: string;
  /** Status of the last state layer, empty if there is none. It keeps fresh nodes apart from those that have failed. */
  readonly latestStatus: string;
}

export interface Batch extends BatchKey {
  readonly id: string;
  readonly state: BatchState;
  /** How many components are in the batch, or were when it was sent. */
  readonly size: number;
  readonly openedAt: string;
  readonly sentAt?: string;
  readonly jobId?: string;
  readonly sessionName?: string;
  readonly finishedAt?: string;
  readonly result?: BatchResult['kind'];
  readonly reason?: Reason;
}

export interface BatcherStatus {
  /** When the last cycle ended. */
  readonly cycleAt: string;
  /**
   * Since when nothing has been away that sessions need to begin: cycles have followed each other without a long pause, so
   * that workers, Temporal and database were there, and no session with a place has said that it waits.
   */
  readonly steadySince?: string;
  readonly seconds: number;
  /** Components that the last cycle collected. `sent` and `finished` count batches. */
  readonly collected: number;
  readonly sent: number;
  readonly finished: number;
  /** The first components, by id, that wait and are in no batch, because their ids are not names of hosts. */
  readonly leftOut?: readonly string[];
  /** Why nothing is sent; absent if nothing prevents it. */
  readonly halted?: string;
}

interface Candidate {
  readonly component: Component;
  readonly status: ConfigurationStatus;
  readonly desiredState: readonly DesiredLayerStatus[];
}

const HOST_NAME = /^\w[\w.-]*$/;
/** The groups that Ansible has in every inventory. */
const OWN_GROUPS: readonly string[] = ['all', 'ungrouped'];

/**
 * Whether the component is to be configured, but is left out, because Ansible would take its id for something else in a
 * limit than the name of one host, such as `all`, `x*` or `x1,x2`, and run on other hosts.
 */
export function isLeftOut({ component, status }: Candidate): boolean {
  const { id, enabled = false } = component;
  return enabled && status === 'pending' && !isHostName(id);
}

/** Undefined if the component is not to be configured now. */
export function toBatchKey({ component, status, desiredState }: Candidate): BatchKey | undefined {
  const { id, enabled = false, desiredConfig, state } = component;
  if (!enabled || status !== 'pending' || desiredConfig === undefined) return undefined;
  if (!isHostName(id)) return undefined;
  const layers = desiredState.flatMap((layer, index) =>
    layer.status === 'pending' ? [index] : [],
  );
  return {
    configurationName: desiredConfig,
    layers: layers.join(','),
    latestStatus: state.at(-1)?.status ?? '',
  };
}

function isHostName(id: string): boolean {
  return HOST_NAME.test(id) && !OWN_GROUPS.includes(id);
}

/** Whether the component would be put into this batch now. */
export function isOfBatch(candidate: Candidate, batch: BatchKey): boolean {
  const key = toBatchKey(candidate);
  return (
    key?.configurationName === batch.configurationName &&
    key.layers === batch.layers &&
    key.latestStatus === batch.latestStatus
  );
}

/** The first candidates, at most `batchSize` and as many as one limit can name. */
export function fitIntoSession<T extends Candidate>(
  candidates: readonly T[],
  batchSize: number,
): readonly T[] {
  let characters = 0;
  const tooMany = candidates.findIndex(({ component }, index) => {
    characters += component.id.length + (index === 0 ? 0 : 1);
    return index >= batchSize || characters > MAX_LIMIT_CHARACTERS;
  });
  return tooMany < 0 ? candidates : candidates.slice(0, tooMany);
}

type SessionView = Pick<
  Session,
  'state' | 'outcome' | 'deletedAt' | 'desired' | 'admittedAt' | 'waiting' | 'launchedAt'
>;

export type BatchEnd =
  | { readonly kind: 'wait' }
  /** Its session has been pending for too long: it is deleted, and the batch ends with it. */
  | { readonly kind: 'overdue' }
  | { readonly kind: 'ended'; readonly result: BatchResult; readonly reason?: Reason };

/** Whether a step that comes before the run waits for something that is away. The step has a limit of its own. */
export function isHeldUp({ state, admittedAt, waiting }: SessionView): boolean {
  return state === 'pending' && admittedAt !== undefined && waiting !== undefined;
}

/** A longer pause between two cycles than their interval and this was no ordinary restart. */
const PAUSE_MS = 120_000;

/** Since when cycles have followed each other, as of one that begins now. `last` is the one before. Never later than now. */
export function toSteadySince(
  last: Pick<BatcherStatus, 'cycleAt' | 'steadySince'> | undefined,
  { now, intervalSeconds }: { readonly now: string; readonly intervalSeconds: number },
): string {
  if (last === undefined) return now;
  const pauseMs = Date.parse(now) - Date.parse(last.cycleAt);
  const since = last.steadySince ?? last.cycleAt;
  return pauseMs > intervalSeconds * 1000 + PAUSE_MS || since > now ? now : since;
}

interface PendingLimit {
  readonly now: string;
  readonly pendingSeconds: number;
  readonly steadySince: string;
}

/**
 * What has become of a batch that was sent. A session that is deleted while it runs keeps its components
 * until it is complete. The time that a session waits for a place, a worker, Temporal or anything else that is away does not
 * count as pending.
 */
export function decideEnd(
  sentAt: string,
  session: SessionView | undefined,
  { now, pendingSeconds, steadySince }: PendingLimit,
): BatchEnd {
  if (session === undefined) return { kind: 'ended', result: { kind: 'released' } };
  const { state, outcome, deletedAt, desired, admittedAt } = session;
  if (state === 'complete') {
    const isLaunched = session.launchedAt !== undefined;
    const result = toBatchResult(deletedAt === undefined ? outcome : undefined, isLaunched);
    const reason = outcome?.reason;
    return { kind: 'ended', result, ...(reason === undefined ? {} : { reason }) };
  }
  if (state !== 'pending' || desired !== 'run') return { kind: 'wait' };
  // Its claim gives it a place, or has it wait for one. Without any it waits for Temporal or for a worker.
  if (admittedAt === undefined || isHeldUp(session)) return { kind: 'wait' };
  const since = Math.max(...[sentAt, admittedAt, steadySince].map((time) => Date.parse(time)));
  return Date.parse(now) - since > pendingSeconds * 1000 ? { kind: 'overdue' } : { kind: 'wait' };
}

/** The tags that all components have with the same value. The session gets them, because BOS looks for its own tags there. */
export function toCommonTags(
  all: readonly Readonly<Record<string, string>>[],
): Readonly<Record<string, string>> {
  const [first = {}, ...rest] = all;
  return Object.fromEntries(
    Object.entries(first).filter(([key, value]) => rest.every((tags) => tags[key] === value)),
  );
}

/** Splits the batches, in order, into groups of at most `mostComponents` components. A larger batch gets a group of its own. */
export function toGroups<T extends Pick<Batch, 'size'>>(
  batches: readonly T[],
  mostComponents: number,
): readonly (readonly T[])[] {
  const groups: T[][] = [];
  let room = 0;
  for (const batch of batches) {
    room -= batch.size;
    if (room < 0 || groups.length === 0) {
      groups.push([]);
      room = mostComponents - batch.size;
    }
    groups.at(-1)?.push(batch);
  }
  return groups;
}
