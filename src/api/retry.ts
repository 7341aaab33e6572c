import { ServiceError } from '../core/errors.js';
import type { HostResult } from '../core/job.js';
import { omitUndefined } from '../core/omit-undefined.js';
import { collectDone, findOpenPhase, isAllDone, toRetried, toRetryName } from '../core/retry.js';
import type { DoneWork, Session } from '../core/session.js';
import type { Store } from '../store/store.js';
import type { ApiDependencies } from './dependencies.js';
import { findSession } from './session-lookup.js';
import { repeatSession } from './sessions.js';

const HOSTS_PER_READ = 1_000;

/** Stores a new session with the same request and a record of the work that need not be repeated. */
export async function retrySession(
  deps: ApiDependencies,
  name: string,
  given: string | undefined,
): Promise<Session> {
  const { store, isExternal = false } = deps;
  const session = await findSession(store, name);
  refuseUnfailed(session);
  // An external operator reads only the request, so it would not leave anything out.
  const done = isExternal ? undefined : await readDone(store, session);
  if (isAllDone(session.snapshot, done))
    throw refusal(
      `Nothing is left to do: every layer of session ${name} succeeded. To apply them again, start a new session.`,
    );
  const request = toRetried(session.request, given ?? toRetryName(name));
  const retry = { request, ...omitUndefined({ done }) };
  return repeatSession(deps, retry, () =>
    given === undefined
      ? refusal(
          `Session ${request.name} already exists. If it is the retry of ${name} and failed, retry that session; otherwise name the retry.`,
        )
      : undefined,
  );
}

function refuseUnfailed({ name, state, outcome }: Session): void {
  if (state !== 'complete')
    throw refusal(`Session ${name} is ${state}: it can be retried when it has failed.`);
  if (outcome?.succeeded === 'true')
    throw refusal(`Nothing is left to do: session ${name} has succeeded.`);
}

function refusal(message: string): ServiceError {
  return new ServiceError('conflict', message, { title: 'Session cannot be retried' });
}

/** Reads in several steps, which is safe because the results of a complete session no longer change. */
async function readDone(store: Store, session: Session): Promise<DoneWork | undefined> {
  const { jobId } = session;
  const phases = await store.phases.list(jobId);
  const open = findOpenPhase(session, phases);
  const hosts: HostResult[] = [];
  let hasMore = open?.hostsWhole === true;
  while (open !== undefined && hasMore) {
    const last = hosts.at(-1);
    const afterId = last === undefined ? {} : { afterId: `${open.name}/${last.host}` };
    const page = await store.hosts.list(jobId, {
      phase: open.name,
      limit: HOSTS_PER_READ,
      ...afterId,
    });
    hosts.push(...page.items);
    hasMore = page.hasMore;
  }
  return collectDone(session, phases, hosts);
}
