import { invalid, ServiceError } from './errors.js';
import type { Patched, Session, SessionPatch, SessionState, Succeeded } from './session.js';

type Members = Readonly<Record<string, unknown>>;

/** What the PATCH makes of the record. */
export interface PatchedRecord {
  readonly patched: Patched;
  readonly state: SessionState;
  readonly succeeded: Succeeded;
  readonly createdAt: string;
  readonly completedAt?: string;
}

export interface PatchRules {
  /** Whether a job that is already set may be replaced, as in v2. */
  readonly replacesJob: boolean;
  readonly now: string;
}

const STATES: readonly unknown[] = ['pending', 'running', 'complete'];
const SUCCEEDED: readonly unknown[] = ['none', 'unknown', 'false', 'true'];
/** Members that only we set in a session that we run. */
const OURS = new Set([
  ...['status', 'succeeded', 'start_time', 'completion_time', 'reason', 'message'],
  ...['phase', 'host', 'task', 'waiting_since', 'queue_place', 'held_until', 'hold_command'],
  ...['retry_of', 'check_mode', 'apply_of'],
]);
const MAX_CHARACTERS = 256 * 1024;

/**
 * Applies the rules of CFS: empty values overwrite nothing, status and succeeded only rise,
 * artifacts are added. In a session that we run, members that only we set are ignored.
 */
export function patchSession(
  session: Session,
  patch: SessionPatch,
  rules: PatchRules,
): PatchedRecord {
  const given = Object.fromEntries(
    Object.entries(patch.session ?? {}).filter((member) => !isEmpty(...member)),
  );
  checkJob(session, given['job'], rules);
  const kept = Object.entries(given).filter(([name]) =>
    session.external ? !['status', 'succeeded', ...TIMES].includes(name) : !OURS.has(name),
  );
  for (const [name, value] of kept) checkText(name, value);
  const progress = session.external
    ? patchProgress(session, given, rules.now)
    : toProgress(session);
  const patched = {
    artifacts: addArtifacts(session, patch.artifacts ?? []),
    session: {
      ...keepEarlyEnd(session.patched?.session ?? {}, session.external ? given : {}, progress),
      ...Object.fromEntries(kept),
    },
  };
  if (JSON.stringify(patched).length > MAX_CHARACTERS) {
    throw new ServiceError(
      'too_large',
      `What was patched into session ${session.name} would be more than ${MAX_CHARACTERS} characters.`,
    );
  }
  return { patched, ...progress };
}

/**
 * What is false in Python, in which CFS is written: lists and objects without members too. Where text is expected, these are
 * wrong rather than empty.
 */
function isEmpty(name: string, value: unknown): boolean {
  if (typeof value !== 'object' || value === null) return !value;
  return !isText(name) && Object.keys(value).length === 0;
}

const TIMES = ['start_time', 'completion_time'];

type Progress = Omit<PatchedRecord, 'patched'>;

function toProgress({ state, outcome, createdAt, completedAt }: Session): Progress {
  return {
    state,
    succeeded: outcome?.succeeded ?? 'none',
    createdAt,
    ...(completedAt === undefined ? {} : { completedAt }),
  };
}

/** A session completed without a time is complete now. Without completion there is no time, even if one was given. */
function patchProgress(session: Session, given: Members, now: string): Progress {
  const before = toProgress(session);
  const state = rise(STATES, before.state, given['status']);
  const told = readTime(given, 'completion_time') ?? before.completedAt;
  const completedAt =
    state === 'complete'
      ? (told ?? readTime(session.patched?.session ?? {}, 'completion_time') ?? now)
      : undefined;
  return {
    state,
    succeeded: rise(SUCCEEDED, before.succeeded, given['succeeded']),
    createdAt: readTime(given, 'start_time') ?? before.createdAt,
    ...(completedAt === undefined ? {} : { completedAt }),
  };
}

/** Keeps a completion time that is given before the completion: it is shown, and becomes the session's own at completion. */
function keepEarlyEnd(patched: Members, given: Members, { state }: Progress): Members {
  const { completion_time: before, ...others } = patched;
  const time = readTime(given, 'completion_time')?.slice(0, 19) ?? before;
  return state === 'complete' || time === undefined ? others : { ...others, completion_time: time };
}

/** An unknown word ranks below all others. */
function rise<T>(ranks: readonly unknown[], present: T, given: unknown): T {
  return ranks.indexOf(given) > ranks.indexOf(present) ? (given as T) : present;
}

function checkJob(session: Session, job: unknown, { replacesJob }: PatchRules): void {
  if (job === undefined) return;
  const present = session.external ? session.patched?.session?.['job'] : session.jobId;
  if (present === undefined || (session.external && replacesJob)) return;
  throw new ServiceError(
    'conflict',
    `The job of session ${session.name} is ${JSON.stringify(present)} and cannot become ${JSON.stringify(job)}. - 'status.session.job'`,
    { title: 'Session patch conflict.' },
  );
}

/** An artifact is not added if a present one has all of its members with the same values, so an empty one is never added. */
function addArtifacts(session: Session, given: readonly Members[]): readonly Members[] {
  const own = session.artifacts.map(({ imageId, resultId, type }): Members => ({
    image_id: imageId,
    result_id: resultId,
    type,
  }));
  const patched = [...(session.patched?.artifacts ?? [])];
  const agreement = createAgreement();
  for (const present of [...own, ...patched]) agreement.add(present);
  for (const artifact of given) {
    if (Object.keys(artifact).length === 0 || agreement.isWith(artifact)) continue;
    patched.push(artifact);
    agreement.add(artifact);
  }
  return patched;
}

/** An index of artifacts by their members, because comparing each with each would block this process for minutes. */
function createAgreement() {
  const byMember = new Map<string, Set<Members>>();
  const toKeys = (artifact: Members) =>
    Object.entries(artifact).map((member) => JSON.stringify(member));
  return {
    add(artifact: Members) {
      for (const key of toKeys(artifact)) {
        const having = byMember.get(key) ?? new Set();
        byMember.set(key, having.add(artifact));
      }
    },
    /** Whether an artifact in the index has all members of this one. */
    isWith(artifact: Members): boolean {
      const sets = toKeys(artifact).map((key) => byMember.get(key) ?? new Set<Members>());
      const [fewest = new Set(), ...others] = sets.sort((left, right) => left.size - right.size);
      for (const present of fewest) if (others.every((having) => having.has(present))) return true;
      return false;
    },
  };
}

function checkText(name: string, value: unknown): void {
  if (isText(name) && typeof value !== 'string') {
    throw invalid(`Must be text - 'status.session.${name}'`);
  }
}

/** Answers contain these members as text. */
function isText(name: string): boolean {
  return OURS.has(name) || name === 'job' || name === 'ims_job';
}

const TIME =
  /^(?<local>\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.\d+)?(?<zone>Z|[+-](?:[01]\d|2[0-3]):[0-5]\d)?$/;
/** Later years have more digits, and would be out of order in the database. */
const YEAR_10000 = 253_402_300_800_000;

/** CFS writes times without a zone; they are UTC. */
function readTime(given: Members, name: string): string | undefined {
  const value = given[name];
  if (value === undefined) return undefined;
  const text = typeof value === 'string' ? value : '';
  const { local, zone } = TIME.exec(text)?.groups ?? {};
  const time = Date.parse(zone === undefined ? `${text}Z` : text);
  if (local === undefined || !isInCalendar(local) || time < 0 || time >= YEAR_10000) {
    throw invalid(`Must be a time such as 2026-01-02T03:04:05 - 'status.session.${name}'`);
  }
  return new Date(time).toISOString();
}

/** Refuses what Date.parse does not, such as 30 February, which it takes for 2 March. */
function isInCalendar(local: string): boolean {
  const time = Date.parse(`${local}Z`);
  return !Number.isNaN(time) && new Date(time).toISOString().startsWith(local);
}
