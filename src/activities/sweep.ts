import type { Orchestrator } from '../clients/interfaces.js';
import { isServiceError } from '../core/errors.js';
import { findOwner } from '../core/image.js';
import { toSessionStart } from '../core/session-start.js';
import type { Session } from '../core/session.js';
import { decideSweep, isMovable } from '../core/sweep.js';
import type { Store } from '../store/store.js';
import type { ImageDependencies } from './dependencies.js';
import { discardImages, discardOrphans, removeImageKey } from './discard.js';

const PAGE = 100;
const AT_ONCE = 10;

export interface SweepLogger {
  info(fields: object, message: string): void;
  warn(fields: object, message: string): void;
}

export interface SweepDependencies {
  readonly store: Store;
  readonly orchestrator: Pick<
    Orchestrator,
    'namespaceId' | 'describeSession' | 'restartSession' | 'terminateSession' | 'loseJob'
  >;
  readonly logger: SweepLogger;
  readonly now: () => string;
  /** Most leftovers that one sweep removes. */
  readonly limit: number;
  readonly observer?: SweepObserver;
  /** Absent: there is no image management service to look into. */
  readonly images?: ImageDependencies;
  /** A machine that no worker has told of for so long is gone, and its jobs with it; 0 = never. */
  readonly machineLostSeconds: number;
  /** Whose worker sweeps; absent where it is no machine's. */
  readonly machine?: string;
}

export interface SweepObserver {
  onAct(act: SweepActKind): void;
  onEnd(report: SweepReport): void;
}

export interface SweepOptions {
  /** Says what it would do, and does nothing. */
  readonly dryRun: boolean;
}

export type SweepActKind = 'restart' | 'record' | 'move' | 'lose' | 'remove';

/** One thing done, or to be done. */
export interface SweepEntry {
  readonly act: SweepActKind;
  readonly session: string;
  readonly jobId: string;
  readonly why: string;
}

export interface SweepReport {
  /** Sessions that are not complete and that Temporal was asked about. */
  readonly examined: number;
  readonly entries: readonly SweepEntry[];
  /** Why the sweep did not begin, or stopped before its end. */
  readonly halted?: string;
}

/**
 * Compares records with workflows and puts right what no workflow can: see ARCHITECTURE.md, "The sweep". It asks Temporal
 * first and reads the record afterwards, so that it never acts on what has just ended, and it touches nothing that runs.
 */
export async function sweep(
  dependencies: SweepDependencies,
  options: SweepOptions,
  signal: AbortSignal,
): Promise<SweepReport> {
  const report = await performSweep(dependencies, options, signal);
  dependencies.observer?.onEnd(report);
  return report;
}

async function performSweep(
  dependencies: SweepDependencies,
  { dryRun }: SweepOptions,
  signal: AbortSignal,
): Promise<SweepReport> {
  const foreign = await findForeignTemporal(dependencies);
  if (foreign !== undefined) {
    dependencies.logger.warn({ halted: foreign }, 'sweep halted');
    return { examined: 0, entries: [], halted: foreign };
  }
  const entries: SweepEntry[] = [];
  const perform: Perform = async (entry, act) => {
    if (!dryRun) await act();
    if (!dryRun) dependencies.observer?.onAct(entry.act);
    entries.push(entry);
    dependencies.logger.info({ ...entry, dryRun }, 'sweep');
  };
  // Where somebody died between two sessions, or the option was raised.
  if (!dryRun) await dependencies.store.admission.admit(dependencies.now());
  const examined = await sweepSessions(dependencies, perform, signal);
  const halted = await removeLeftovers(dependencies, perform, signal);
  await removeImageOrphans(dependencies, perform, signal);
  return { examined, entries, ...(halted === undefined ? {} : { halted }) };
}

type Perform = (entry: SweepEntry, act: () => Promise<unknown>) => Promise<void>;

/** Another Temporal than the one that has this deployment's workflows would say of each of them that it is gone. */
async function findForeignTemporal({
  store,
  orchestrator,
}: SweepDependencies): Promise<string | undefined> {
  const actual = await orchestrator.namespaceId();
  const bound = await store.sweep.bindTemporal(actual);
  if (bound === actual) return undefined;
  return `This Temporal namespace (id ${actual}) is not the one that has this deployment's workflows (id ${bound}). If that one is gone for good, run: npm run sweep -- --rebind`;
}

async function sweepSessions(
  dependencies: SweepDependencies,
  perform: Perform,
  signal: AbortSignal,
): Promise<number> {
  const { store } = dependencies;
  const lost = await findLostMachines(dependencies);
  let examined = 0;
  let afterId: string | undefined;
  for (;;) {
    const page = await store.sweep.listUnfinished({
      limit: PAGE,
      ...(afterId === undefined ? {} : { afterId }),
    });
    for (let first = 0; first < page.items.length; first += AT_ONCE) {
      signal.throwIfAborted();
      const some = page.items.slice(first, first + AT_ONCE);
      await Promise.all(some.map((session) => sweepSession(dependencies, session, lost, perform)));
    }
    examined += page.items.length;
    afterId = page.items.at(-1)?.jobId;
    if (!page.hasMore || afterId === undefined) return examined;
  }
}

async function sweepSession(
  dependencies: SweepDependencies,
  { jobId, name }: Session,
  lostMachines: ReadonlyMap<string, string>,
  perform: Perform,
): Promise<void> {
  const { store, orchestrator, now, logger } = dependencies;
  try {
    const workflow = await orchestrator.describeSession(jobId);
    const session = await store.sessions.get(jobId);
    const act = decideSweep(workflow, session);
    if (session === undefined) return;
    const about = { session: name, jobId };
    switch (act.kind) {
      case 'none': {
        const why = lostMachines.get(session.machine ?? '');
        if (workflow.kind !== 'running' || session.state === 'complete' || why === undefined)
          return;
        if (isMovable(session))
          await perform({ act: 'move', ...about, why }, () => move(dependencies, session, why));
        else await perform({ act: 'lose', ...about, why }, () => orchestrator.loseJob(jobId, why));
        return;
      }
      case 'record':
        await perform(
          { act: 'record', ...about, why: 'its workflow has ended, its record has not' },
          () => store.sessions.recordOutcome(jobId, act.outcome, now()),
        );
        return;
      case 'restart':
        await perform({ act: 'restart', ...about, why: 'it has no workflow any more' }, () =>
          orchestrator.restartSession(toSessionStart(session)),
        );
        return;
    }
  } catch (error) {
    // One session must not keep the others waiting; the next sweep comes to it again.
    if (!isServiceError(error)) throw error;
    logger.warn({ err: error, session: name, jobId }, 'a session could not be swept');
  }
}

/**
 * Terminated first, as wherever this stops then the next sweep finds a session without a workflow. What the machine has
 * launched meanwhile, because it lives after all, the new workflow attaches to.
 */
async function move(
  { store, orchestrator }: SweepDependencies,
  session: Session,
  why: string,
): Promise<void> {
  const { jobId, machine } = session;
  await orchestrator.terminateSession(jobId, `${why} It has launched nothing; another takes over.`);
  await store.sessions.unclaim(jobId, machine ?? '');
  await orchestrator.restartSession(toSessionStart(session));
}

/** Machine → why it counts as gone. */
async function findLostMachines({
  store,
  machineLostSeconds,
  machine,
}: SweepDependencies): Promise<ReadonlyMap<string, string>> {
  if (machineLostSeconds === 0) return new Map();
  const now = await store.sweep.clock();
  // First: after a time in which the database was away nobody counts as silent.
  if (machine !== undefined) await store.sweep.seeMachine(machine, now);
  const before = new Date(Date.parse(now) - machineLostSeconds * 1000).toISOString();
  const machines = [...(await store.sweep.listMachines())].filter(([, seenAt]) => seenAt < before);
  return new Map(
    machines.map(([silent, seenAt]) => [
      silent,
      `Machine ${silent}, which has the session, has not been heard of since ${seenAt}.`,
    ]),
  );
}

/** What a session that is over left behind; its own undo failed, or its record was completed by somebody else. */
async function removeLeftovers(
  dependencies: SweepDependencies,
  perform: Perform,
  signal: AbortSignal,
): Promise<string | undefined> {
  const { store, limit, logger } = dependencies;
  const leftovers = await store.sweep.listLeftovers(limit + 1);
  for (const { jobId, name } of leftovers.slice(0, limit)) {
    signal.throwIfAborted();
    const entry = { session: name, jobId, why: 'what a session that is over left' };
    await perform({ act: 'remove', ...entry }, async () => {
      await store.stagedFiles.remove(jobId);
      await undoImages(dependencies, jobId, signal);
    }).catch((error: unknown) => {
      if (!isServiceError(error)) throw error;
      logger.warn({ err: error, session: name, jobId }, 'leftovers could not be removed');
    });
  }
  return leftovers.length > limit
    ? `More than ${limit} sessions that are over left something behind; the rest waits for the next sweep.`
    : undefined;
}

/** One that is packaging is not waited for here: the next sweep finds it again. */
async function undoImages(
  dependencies: SweepDependencies,
  jobId: string,
  signal: AbortSignal,
): Promise<void> {
  const session = await dependencies.store.sessions.get(jobId);
  if (session === undefined) return;
  await discardImages(dependencies, session, signal, 0);
  await removeImageKey(dependencies, session, signal);
}

/**
 * IMS jobs and keys that carry this deployment's id, of sessions that are over or that no record knows: what IMS made after it
 * was given up, or before a database was restored that is older.
 */
async function removeImageOrphans(
  dependencies: SweepDependencies,
  perform: Perform,
  signal: AbortSignal,
): Promise<void> {
  const { images, logger } = dependencies;
  if (images === undefined) return;
  // One that cannot be removed keeps none of the others.
  const attempt = (act: () => Promise<void>, about: object = {}) =>
    act().catch((error: unknown) => {
      if (!isServiceError(error)) throw error;
      logger.warn({ err: error, ...about }, 'the image service could not be swept');
    });
  await attempt(async () => {
    const owned = new Map<string, string[]>();
    for (const name of await images.client.listNames(signal)) {
      const jobId = findOwner(name, images.deploymentId);
      if (jobId !== undefined) owned.set(jobId, [...(owned.get(jobId) ?? []), name]);
    }
    for (const [jobId, names] of owned)
      await attempt(
        () => removeOrphans({ ...dependencies, images }, jobId, names, perform, signal),
        { jobId },
      );
  });
}

async function removeOrphans(
  { store, orchestrator, images }: SweepDependencies & { readonly images: ImageDependencies },
  jobId: string,
  names: readonly string[],
  perform: Perform,
  signal: AbortSignal,
): Promise<void> {
  const { kind } = await orchestrator.describeSession(jobId);
  const session = await store.sessions.get(jobId);
  if (kind === 'running' || (session !== undefined && session.state !== 'complete')) return;
  const entry = { session: session?.name ?? jobId, jobId, why: 'left in the image service' };
  await perform({ act: 'remove', ...entry }, async () => {
    await discardOrphans(images, jobId, signal);
    for (const name of names)
      for (const key of await images.client.findKeys(name, signal))
        await images.client.removeKey(key, signal);
  });
}
