import { listMoves, toApplied, toApplyName } from '../core/apply.js';
import { isServiceError, ServiceError } from '../core/errors.js';
import { pinRepository } from '../core/pin-repository.js';
import { listRepositories, mapRepositories, toSnapshot } from '../core/pin.js';
import type { Session, SessionRequest, Snapshot } from '../core/session.js';
import type { ApiDependencies } from './dependencies.js';
import { findSession } from './session-lookup.js';
import { repeatSession } from './sessions.js';

const TIMEOUT_MS = 60_000;

/** Stores a new session that applies a check, with the check's commits: it can run nothing else. */
export async function applySession(
  deps: ApiDependencies,
  name: string,
  given: string | undefined,
  caller: AbortSignal,
): Promise<Session> {
  const session = await findSession(deps.store, name);
  // An external operator would run what the configuration says by then, not what was checked.
  if (deps.isExternal ?? false)
    throw refusal('With RUNNER=none an external operator runs sessions, without fixed commits.');
  const checked = requireChecked(session);
  const phases = await deps.store.phases.list(session.jobId);
  if (phases.some(({ filesChanged }) => filesChanged === true))
    throw refusal(
      `Session ${name} was run again in a hold with changed files, so it did not check these commits. Run a new check.`,
    );
  const request = toApplied(session.request, given ?? toApplyName(name));
  const snapshot = await resolveNow(deps, request, caller).catch((error: unknown) => {
    if (!isServiceError(error) || error.fault === 'unavailable') throw error;
    throw refusal(
      `What session ${name} checked cannot be compared with the present state: ${error.message}`,
    );
  });
  const moves = listMoves(checked, snapshot);
  if (moves.length > 0)
    throw refusal(
      `This is no longer what session ${name} checked: ${moves.join('; ')}. Run a new check.`,
    );
  return repeatSession(deps, { request, snapshot }, () =>
    given === undefined
      ? refusal(
          `Session ${request.name} already exists. If it failed, retry that session; to apply once more, name the new session.`,
        )
      : undefined,
  );
}

/** Returns what the check ran. A failed check has not shown everything that would happen, so it is refused. */
function requireChecked({ name, request, state, outcome, snapshot }: Session): Snapshot {
  if (request.checkMode !== true)
    throw refusal(`Session ${name} is not a check: it does not have check_mode.`);
  if (state !== 'complete')
    throw refusal(`Session ${name} is ${state}: it can be applied when it has succeeded.`);
  if (outcome?.succeeded !== 'true' || snapshot === undefined)
    throw refusal(
      `Session ${name} did not succeed, so it has not shown everything that would change. Retry it first.`,
    );
  if (snapshot.isGuess === true)
    throw refusal(
      `The record of session ${name} was restored without the commits that it checked. Run a new check.`,
    );
  return snapshot;
}

function refusal(message: string): ServiceError {
  return new ServiceError('conflict', message, { title: 'Session cannot be applied' });
}

/** The snapshot that a session with this request would get if it started now. */
async function resolveNow(
  { store, git, openSource }: ApiDependencies,
  request: SessionRequest,
  caller: AbortSignal,
): Promise<Snapshot> {
  const [record, options] = await Promise.all([
    store.configurations.find(request.configurationName),
    store.options.get(),
  ]);
  const basis = { request, configuration: record?.configuration, options };
  const over = new AbortController();
  const late = AbortSignal.timeout(TIMEOUT_MS);
  const signal = AbortSignal.any([caller, over.signal, late]);
  try {
    const pinned = await mapRepositories(listRepositories(basis), (wanted) =>
      pinRepository(wanted, {
        openSource: (name) => openSource(name, signal),
        resolve: (url, branch, access) => git.resolve(url, branch, signal, access),
      }),
    );
    return toSnapshot(basis, pinned);
  } catch (error) {
    if (!late.aborted) throw error;
    throw new ServiceError('unavailable', 'The repositories of the session do not answer.');
  } finally {
    // If one repository cannot be read, the other reads are of no use.
    over.abort();
  }
}
