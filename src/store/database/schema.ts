import type { Generated, Selectable } from 'kysely';
import type { BatchResult } from '../../core/backoff-cause.js';
import type { BatchState } from '../../core/batch.js';
import type { LayerProgress } from '../../core/component.js';
import type { Reason } from '../../core/errors.js';
import type { Desired, Dispatched, SessionState, Succeeded } from '../../core/session.js';
import type { PhaseRecord, PhaseState } from '../store.js';
import type { Flag } from './row-values.js';

/** Times are ISO text and documents JSON text in both databases. */
export interface Schema {
  readonly deployment: DeploymentTable;
  readonly sessions: SessionTable;
  readonly session_tags: SessionTagTable;
  readonly resources: { job_id: string; kind: string; key: string; position: number };
  /** The hosts that each incomplete session has or waits for; see `host_turn` and `waits_for`. */
  readonly session_hosts: { job_id: string; host: string };
  readonly staged_files: { job_id: string; name: string; gzip: Uint8Array };
  readonly configurations: {
    name: string;
    version: number;
    tenant: string | null;
    document: string;
  };
  readonly sources: { name: string; version: number; document: string; credentials: string | null };
  readonly configuration_sources: { source: string; configuration: string };
  readonly components: ComponentTable;
  readonly batches: BatchTable;
  readonly batch_members: { component_id: string; batch_id: string };
  readonly batch_causes: { cause: string; results: string; seconds: number; until: string | null };
  /** One row: the last cycle. */
  readonly batcher: { id: number; document: string };
  readonly options: { name: string; value: string };
  readonly phases: PhaseTable;
  readonly host_results: HostResultTable;
  readonly log_chunks: LogChunkTable;
  readonly machines: { machine: string; seen_at: string };
  /** Sessions whose end webhooks are still to be told. `handed_at`: when that was handed over to Temporal. */
  readonly notifications: { job_id: string; handed_at: string | null };
  /** One row: the compressed size of the logs of complete sessions. */
  readonly log_store: { id: number; bytes: number };
}

export type ComponentRow = Selectable<ComponentTable>;
export type SessionRow = Selectable<SessionTable>;
export type PhaseRow = Selectable<PhaseTable>;
export type HostResultRow = Selectable<HostResultTable>;

/** One row. */
interface DeploymentTable {
  id: number;
  deployment_id: string;
  /** Rises with each write of a configuration or source, so no version is used twice. PostgreSQL has a sequence instead. */
  revision: number;
  /** The id of the Temporal namespace that has this deployment's workflows. */
  temporal_namespace_id: string | null;
  key_digest: string | null;
  /** Whether ends of sessions are noted in `notifications`. */
  notifies: Generated<Flag>;
}

/** Large columns come last, because SQLite reads through them to reach the columns behind them. */
interface SessionTable {
  job_id: string;
  name: string;
  created_at: string;
  desired: Generated<Desired>;
  cancel_by: string | null;
  cancel_reason: string | null;
  deleted_at: string | null;
  dispatched: Generated<Dispatched>;
  /** When the wish may be taken; a lease moves it into the future. */
  wish_at: Generated<string>;
  attach_only: Generated<Flag>;
  state: Generated<SessionState>;
  claimed_at: string | null;
  /** When the session joined the queue for a place; null if it got one at once. */
  queued_at: string | null;
  admitted_at: string | null;
  /** The workflow waits and must still be told that it may go on. */
  admission_due: Generated<Flag>;
  /** The order in which sessions asked for hosts; null if it has asked for none. */
  host_turn: number | null;
  /** Job id of a session that goes first, because both name a host; null if it waits for none. */
  waits_for: string | null;
  machine: string | null;
  launched_at: string | null;
  incarnation: string | null;
  stopped_at: string | null;
  teardown_at: string | null;
  succeeded: Generated<Succeeded>;
  reason: Reason | null;
  message: string | null;
  outcome_phase: string | null;
  host: string | null;
  task: string | null;
  completed_at: string | null;
  /** The phase that runs or ran last. */
  phase: string | null;
  ims_job: string | null;
  artifacts: Generated<string>;
  request: string;
  snapshot: string | null;
  external: Generated<Flag>;
  /** Members that PATCHes have set and that this service does not set itself, as JSON. */
  patched: string | null;
  /** Compressed. Counted when the session completes; 0 once the log is removed. */
  stored_log_bytes: Generated<number>;
  /** A `Wait`, as JSON. */
  waiting: string | null;
  /** A `KnownEnd`, as JSON. */
  known_end: string | null;
  /** `DoneWork`, as JSON. */
  done: string | null;
}

/** Repeats the columns that lists sort and filter by; triggers keep them equal to the session's. */
interface SessionTagTable {
  job_id: string;
  key: string;
  value: string;
  name: string;
  created_at: string;
  state: SessionState;
  succeeded: Succeeded;
}

interface ComponentTable {
  id: string;
  desired_config: string | null;
  enabled: Flag | null;
  error_count: number | null;
  retry_policy: number | null;
  /** How far the layers had come when they were last compared with what `progress_key` stands for. */
  progress: LayerProgress | 'none';
  progress_key: string;
  /** A line for each tag, with a line feed before the first and after each, so that a tag is found by its whole line. */
  tags: string | null;
  state: string;
}

interface PhaseTable {
  job_id: string;
  name: string;
  kind: PhaseRecord['kind'];
  title: string;
  position: number;
  state: Generated<PhaseState>;
  result: string | null;
  started_at: string | null;
  ended_at: string | null;
  log_bytes: Generated<number>;
  reported_log_bytes: number | null;
  reported_result: string | null;
  hosts_final: Generated<Flag>;
  /** Null if the job did not say. */
  hosts_whole: Flag | null;
  /** Whether the final results are state of components. Null if there are none yet, or if an older API took them. */
  hosts_recorded: Flag | null;
  sealed_at: string | null;
  hold_since: string | null;
  hold_until: string | null;
  hold_command: string | null;
  hold_released_at: string | null;
  hold_can_rerun: Flag | null;
  /** Null too once the phase is held again. */
  hold_rerun_at: string | null;
  hold_rerun_by: string | null;
  reruns: Generated<number>;
  /** Of the last run. */
  files_changed: Generated<Flag>;
  /** Sequence of the first results of the last run. */
  hosts_from: Generated<number>;
  /** Compressed. */
  stored_log_bytes: Generated<number>;
  /** A `StoredSilence`, as JSON; null once the phase is sealed. */
  silence: string | null;
  silence_sequence: Generated<number>;
}

interface HostResultTable {
  job_id: string;
  /** The phase's place in the job. */
  position: number;
  host: string;
  phase: string;
  sequence: number;
  ok: number;
  changed: number;
  failed: number;
  skipped: number;
  unreachable: number;
  incomplete: Flag;
  task: string | null;
  message: string | null;
}

/** Keyed by its end, so that the chunk that holds an offset is the first one that ends after it. */
interface LogChunkTable {
  job_id: string;
  phase: string;
  end_offset: number;
  /** Uncompressed. */
  size: number;
  /** Says what is missing from the log. Such a chunk holds a line that says so to readers, instead of the job's output. */
  gap: string | null;
  gzip: Uint8Array;
}

interface BatchTable {
  id: string;
  state: Generated<BatchState>;
  configuration: string;
  /** Indexes of the layers that are pending. */
  layers: string;
  latest: string;
  size: number;
  opened_at: string;
  sent_at: string | null;
  job_id: string | null;
  session_name: string | null;
  /** The layers as they were when it was sent. */
  desired: string | null;
  finished_at: string | null;
  result: BatchResult['kind'] | null;
  reason: Reason | null;
}
