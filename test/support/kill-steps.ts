import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { parseConfig } from '../../src/config.js';
import type { Cluster } from './cluster.js';
import { waitFor } from './wait.js';

/** For each step, the write without which it cannot end. */
const WRITES = {
  claimSession: 'UPDATE OF claimed_at ON sessions',
  resolveConfiguration: 'UPDATE OF snapshot ON sessions',
  stageInventory: 'INSERT ON staged_files',
  launchJob: 'UPDATE OF launched_at ON sessions',
  stopJob: 'UPDATE OF stopped_at ON sessions',
  removeStagedFiles: 'DELETE ON staged_files',
  recordOutcome: 'UPDATE OF completed_at ON sessions',
  noteCancel: 'UPDATE OF desired ON sessions',
} as const;

/** For each step, a condition that holds once its write is done. */
const IS_WRITTEN: Readonly<Record<keyof typeof WRITES, string>> = {
  claimSession: 'claimed_at IS NOT NULL',
  resolveConfiguration: 'snapshot IS NOT NULL',
  stageInventory: 'EXISTS (SELECT 1 FROM staged_files AS f WHERE f.job_id = sessions.job_id)',
  launchJob: 'launched_at IS NOT NULL',
  stopJob: 'stopped_at IS NOT NULL',
  removeStagedFiles:
    'NOT EXISTS (SELECT 1 FROM staged_files AS f WHERE f.job_id = sessions.job_id)',
  recordOutcome: 'completed_at IS NOT NULL',
  noteCancel: "desired <> 'run'",
};

export type Step = keyof typeof WRITES;
/** The steps that every session takes. `noteCancel` is only part of a cancel. */
export const STEPS = (Object.keys(WRITES) as readonly Step[]).filter(
  (step) => step !== 'noteCancel',
);

/** Longer than an attempt waits for the lock. */
const WRITE_MS = 20_000;
const MOST_MS = 180_000;

/** Keeps each of these sessions in its step: first the database refuses the step's write, then it does not answer. */
export interface StepHold {
  /** Resolves when every session is in its step, and a worker that executes the step waits for the database. */
  whenHeld(): Promise<void>;
  /** Lets the database answer again. */
  release(): void;
  /**
   * After `release`: resolves with true when every session's write is done. Resolves with false
   * if one is not, because its attempt had just given up and waits for Temporal to repeat it.
   */
  whenWritten(): Promise<boolean>;
  /** Resolves when every session is in its step and the database has refused it. */
  whenRefused(): Promise<void>;
  /** Ends the refusals. Call it instead of `whenHeld` and `release`. */
  allow(): void;
}

/** Sessions, by name, each with the step in which it is to be held. */
interface Held {
  readonly cluster: Cluster;
  readonly database: DatabaseSync;
  readonly sessions: Readonly<Record<string, Step>>;
}

/** Call before posting the sessions, which are given by name. */
export function holdSteps(cluster: Cluster, sessions: Readonly<Record<string, Step>>): StepHold {
  const database = new DatabaseSync(join(cluster.directory, 'data', 'keelson.db'), {
    timeout: 10_000,
  });
  const names = Object.keys(sessions);
  for (const [position, name] of names.entries())
    database.exec(renderTrigger(position, name, sessions[name] ?? 'claimSession'));
  const held = { cluster, database, sessions };
  const whenRefused = async () => {
    await waitFor(() => arePending(held, isRefused), {
      timeoutMs: MOST_MS,
      what: 'every step to be refused',
    });
  };
  return {
    whenRefused,
    allow() {
      for (const position of names.keys()) database.exec(`DROP TRIGGER held_${position}`);
      database.close();
    },
    async whenHeld() {
      await whenRefused();
      // Replace the triggers by a lock: from now on a repeated step gets no answer until the lock is released.
      database.exec('BEGIN IMMEDIATE');
      for (const position of names.keys()) database.exec(`DROP TRIGGER held_${position}`);
      await waitFor(
        async () => {
          if (await arePending(held, isStarted)) return true;
          await startAll(held);
          return false;
        },
        { timeoutMs: MOST_MS, intervalMs: 500, what: 'every step to wait' },
      );
    },
    release() {
      database.exec('COMMIT');
      database.close();
    },
    whenWritten: () =>
      waitFor(() => names.every((name) => isWritten(cluster, name, sessions[name])), {
        timeoutMs: WRITE_MS,
        what: 'every write to be done',
      }).then(
        () => true,
        () => false,
      ),
  };
}

function isWritten(cluster: Cluster, name: string, step: Step = 'claimSession'): boolean {
  const file = join(cluster.directory, 'data', 'keelson.db');
  const database = new DatabaseSync(file, { readOnly: true, timeout: 10_000 });
  try {
    const query = `SELECT 1 FROM sessions WHERE name = ? AND ${IS_WRITTEN[step]}`;
    return database.prepare(query).get(name) !== undefined;
  } finally {
    database.close();
  }
}

function renderTrigger(position: number, name: string, step: Step): string {
  const row = WRITES[step].startsWith('DELETE') ? 'OLD' : 'NEW';
  const [, column] = /^UPDATE OF (\w+)/.exec(WRITES[step]) ?? [];
  // A statement may name the column and leave it as it is.
  const isChanged = column === undefined ? '' : `AND NEW.${column} IS NOT OLD.${column}`;
  return `CREATE TRIGGER held_${position} BEFORE ${WRITES[step]}
    WHEN (SELECT name FROM sessions WHERE job_id = ${row}.job_id) = '${name}' ${isChanged}
    BEGIN SELECT RAISE(ABORT, 'held by a test'); END`;
}

type Activity = Awaited<ReturnType<typeof findPending>>[number]['activity'];

const isRefused = (activity: Activity) => (activity?.attempt ?? 0) > 1;
/** PENDING_ACTIVITY_STATE_STARTED: a worker executes it. */
const isStarted = (activity: Activity) => Number(activity?.state) === 2;

async function arePending(held: Held, isSo: (activity: Activity) => boolean): Promise<boolean> {
  const pending = await findPending(held);
  return pending.every(({ activity }) => isSo(activity));
}

async function findPending({ cluster, database, sessions }: Held) {
  const client = await cluster.temporalClient();
  return Promise.all(
    Object.entries(sessions).map(async ([name, step]) => {
      const row = database.prepare('SELECT job_id FROM sessions WHERE name = ?').get(name);
      const workflowId = String(row?.['job_id']);
      const { raw } = await client.workflow.getHandle(workflowId).describe();
      const activity = raw.pendingActivities?.find((each) => each.activityType?.name === step);
      return { workflowId, activity };
    }),
  );
}

export interface Attempt {
  /** 0 if there is no activity. */
  readonly attempt: number;
  /** Whether a worker executes it, as far as Temporal knows. */
  readonly isStarted: boolean;
}

/** The attempts of the activity that each session's workflow waits for. */
export async function findAttempts(
  cluster: Cluster,
  names: readonly string[],
): Promise<readonly Attempt[]> {
  const client = await cluster.temporalClient();
  return Promise.all(
    names.map(async (name) => {
      const { job } = (await cluster.find(name)).status.session;
      const { raw } = await client.workflow.getHandle(job ?? '').describe();
      const [activity] = raw.pendingActivities ?? [];
      return {
        attempt: activity?.attempt ?? 0,
        isStarted: isStarted(activity),
      };
    }),
  );
}

/** Starts all steps at once instead of waiting for the next attempt of each. */
async function startAll(held: Held): Promise<void> {
  const { workflowService, options } = await held.cluster.temporalClient();
  const pending = await findPending(held);
  const waiting = pending.filter(({ activity }) => !isStarted(activity));
  await Promise.all(
    waiting.map(({ workflowId, activity }) =>
      workflowService.resetActivity({
        namespace: options.namespace,
        execution: { workflowId },
        id: activity?.activityId ?? '',
      }),
    ),
  );
}

/** A Python that delays the supervisors of held sessions. For everything else it behaves like the real one. */
export interface SupervisorHold {
  readonly python: string;
  /** Call before posting the session. */
  hold(session: string): void;
  /** Resolves when this many supervisors of the session wait for their start. */
  whenStarted(session: string, times: number): Promise<void>;
  release(session: string): void;
  close(): void;
}

export function createSupervisorHold(): SupervisorHold {
  const directory = mkdtempSync(join(tmpdir(), 'keelson-python-'));
  const python = join(directory, 'python');
  const real = parseConfig(process.env).runner.python;
  // Asked for its path (`-c`), it answers with its own, so that it also starts the wrappers.
  const script = `#!/bin/sh
case "$*" in
  -c*) exec ${real} -c "import sys; sys.executable = '${python}'; $2" ;;
  *" all "*)
    session=\${KEELSON_JOB#cfs-}
    hold="${directory}/\${session%-*}"
    if [ -e "$hold" ]; then
      echo $$ >> "$hold.begun"
      while [ -e "$hold" ]; do sleep 0.1; done
    fi ;;
esac
exec ${real} "$@"
`;
  writeFileSync(python, script, { mode: 0o755 });
  const count = (session: string) => {
    const begun = join(directory, `${session}.begun`);
    return existsSync(begun) ? readFileSync(begun, 'utf8').split('\n').length - 1 : 0;
  };
  return {
    python,
    hold: (session) => writeFileSync(join(directory, session), ''),
    whenStarted: (session, times) =>
      waitFor(() => count(session) >= times, {
        timeoutMs: MOST_MS,
        what: `${times} supervisors of ${session}`,
      }).then(() => undefined),
    release: (session) => rmSync(join(directory, session)),
    close: () => rmSync(directory, { recursive: true, force: true }),
  };
}
