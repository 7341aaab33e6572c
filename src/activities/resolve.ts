import { describeApply } from '../core/apply.js';
import { describeCheck } from '../core/check-mode.js';
import { ServiceError } from '../core/errors.js';
import { toTimeLimits } from '../core/options.js';
import { pinRepository } from '../core/pin-repository.js';
import { listRepositories, mapRepositories, toSnapshot } from '../core/pin.js';
import { listPhases } from '../core/plan.js';
import { describeRetry } from '../core/retry-line.js';
import { planLeftOut } from '../core/retry.js';
import type { PhaseOutline } from '../core/progress.js';
import type { Session, Snapshot } from '../core/session.js';
import { describeWaits } from '../core/waiting.js';
import { getSession, type ActivityDependencies } from './dependencies.js';
import { withHeartbeat, type Heartbeat } from './heartbeat.js';
import type { Activities } from './interface.js';
import { readWithin, type SourceLimit } from './source-limit.js';
import { openWaits, type Waits } from './waits.js';

export function createResolveActivities(
  dependencies: ActivityDependencies,
): Pick<Activities, 'resolveConfiguration'> {
  return {
    resolveConfiguration: ({ jobId }) =>
      withHeartbeat((_, beat) => resolveConfiguration(dependencies, jobId, beat)),
  };
}

/** Makes the snapshot and the plan, once; a repeat finds both stored. */
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
  const begun = await getSession(store, jobId);
  await beginLog(store, begun, [
    describeCheck(session.request),
    describeApply(session.request),
    describeRetry(session, snapshot),
    ...describeWaits(begun, now()),
  ]);
  if (isOwnWait(begun)) await openWaits(dependencies, begun).end();
  return { phases };
}

/** The wait stays on the record until the log says that it was, whichever attempt writes that. */
function withoutEnd(waits: Waits): Waits {
  return { ...waits, end: () => waits.settle() };
}

/** A workflow that begins again may find the wait of a later step, which is not over. */
function isOwnWait({ waitsFor, waiting }: Session): boolean {
  return waitsFor === undefined && waiting?.phase === undefined;
}

/**
 * Writes the opening lines of the log, all at once, if it is still empty: an earlier attempt may have died before it did so. The
 * log of a job that runs, or may run, has them already.
 */
async function beginLog(
  { phases, logs }: ActivityDependencies['store'],
  { jobId, launchedAt, attachOnly }: Session,
  lines: readonly (string | undefined)[],
): Promise<void> {
  const text = lines.filter((line) => line !== undefined).join('\n');
  if (text === '' || launchedAt !== undefined || attachOnly) return;
  const inventory = await phases.find(jobId, 'inventory');
  if (inventory?.state === 'pending' && inventory.logBytes === 0)
    await logs.appendLine(jobId, 'inventory', text);
}

async function buildSnapshot(
  dependencies: ActivityDependencies,
  session: Session,
  beat: Heartbeat,
): Promise<Snapshot> {
  const { store, git, openSource } = dependencies;
  const { request } = session;
  const options = await store.options.get();
  const configuration = (await store.configurations.find(request.configurationName))?.configuration;
  const basis = { request, configuration, options };
  /** Repositories that have not answered yet. */
  const asked = new Set<string>();
  const limit: SourceLimit = {
    seconds: toTimeLimits(options).cloneSeconds,
    option: 'clone_time_limit',
    what: 'A repository',
    reason: 'GIT_CLONE',
    toSilence: (seconds) =>
      `Repository ${[...asked].join(', ')} had not answered for ${seconds} s.`,
  };
  const waits = withoutEnd(openWaits(dependencies, session));
  const pinned = await readWithin(limit, beat, waits, (signal, onMove) =>
    mapRepositories(listRepositories(basis), (wanted) =>
      pinRepository(wanted, {
        openSource: (name) => openSource(name, signal),
        async resolve(url, branch, access) {
          asked.add(url);
          const commit = await git.resolve(url, branch, signal, access, onMove);
          asked.delete(url);
          return commit;
        },
      }),
    ),
  );
  const snapshot = toSnapshot(basis, pinned);
  return {
    ...snapshot,
    ...leaveOut(session, snapshot),
    ...(session.attachOnly || session.launchedAt !== undefined ? { isGuess: true } : {}),
  };
}

/** Throws fault `conflict` if nothing is left for a retry to do. */
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
