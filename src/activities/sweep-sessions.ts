import type { SweepDependencies } from './sweep-dependencies.js';
import { noteFailing } from './sweep-failing.js';
import { planForLostMachine, planRepair, type LostMachines } from './sweep-repairs.js';
import type { SweepRun } from './sweep-run.js';

const PAGE = 100;
const AT_ONCE = 10;
/** Workers report themselves every thirty seconds, so a machine that was heard of more recently may well be alive. */
const LEAST_LOST_SECONDS = 120;

/** Sweeps every session that is not complete. Returns their job ids. */
export async function sweepSessions(
  dependencies: SweepDependencies,
  run: SweepRun,
): Promise<ReadonlySet<string>> {
  const { store } = dependencies;
  const lost = await findLostMachines(dependencies);
  const unfinished = new Set<string>();
  let afterId: string | undefined;
  for (;;) {
    const page = await store.sweep.listUnfinished({
      limit: PAGE,
      ...(afterId === undefined ? {} : { afterId }),
    });
    for (let first = 0; first < page.items.length; first += AT_ONCE) {
      const some = page.items.slice(first, first + AT_ONCE);
      await Promise.all(
        some.map(({ jobId, name }) =>
          run.attempt({ message: 'a session could not be swept', session: name, jobId }, () =>
            sweepSession(dependencies, jobId, lost, run),
          ),
        ),
      );
    }
    for (const { jobId } of page.items) unfinished.add(jobId);
    afterId = page.items.at(-1)?.jobId;
    if (!page.hasMore || afterId === undefined) return unfinished;
  }
}

async function findLostMachines({
  store,
  machineLostSeconds,
  machine,
}: SweepDependencies): Promise<LostMachines> {
  if (machineLostSeconds === 0) return new Map();
  const now = await store.sweep.clock();
  // Before the machines are read, because it makes none count as silent after the database was away.
  if (machine !== undefined) await store.sweep.seeMachine(machine, now);
  const seconds = Math.max(machineLostSeconds, LEAST_LOST_SECONDS);
  const before = new Date(Date.parse(now) - seconds * 1000).toISOString();
  const machines = [...(await store.sweep.listMachines())].filter(([, seenAt]) => seenAt < before);
  return new Map(
    machines.map(([silent, seenAt]) => [
      silent,
      `Machine ${silent}, which has the session, has not been heard of since ${seenAt}.`,
    ]),
  );
}

async function sweepSession(
  dependencies: SweepDependencies,
  jobId: string,
  lostMachines: LostMachines,
  { dryRun, perform }: SweepRun,
): Promise<void> {
  const { store, orchestrator } = dependencies;
  const workflow = await orchestrator.describeSession(jobId);
  const session = await store.sessions.get(jobId);
  if (session === undefined) return;
  const planned =
    planRepair(dependencies, workflow, session) ??
    (await planForLostMachine(dependencies, workflow, session, lostMachines));
  // It may have been told between the two reads. The record says that it was told, so a look after that is sure.
  if (planned?.kind === 'tell') {
    const later = await orchestrator.describeSession(jobId);
    if (planRepair(dependencies, later, session)?.kind !== 'tell') return;
  }
  if (planned !== undefined) {
    const { kind, why, act } = planned;
    await perform({ act: kind, session: session.name, jobId, why }, act);
  } else if (workflow.kind === 'running') {
    await noteFailing(dependencies, workflow, session, { dryRun });
  }
}
