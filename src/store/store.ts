import type { Options } from '../core/options.js';
import type { AdmissionStore } from './sessions/admission-store.js';
import type { BatchStore } from './batches/batch-store.js';
import type { ComponentStore } from './components/component-store.js';
import type { ConfigurationStore } from './configurations/configuration-store.js';
import type { HostStore } from './jobs/host-store.js';
import type { LogStore } from './jobs/log-store.js';
import type { NotificationStore } from './notifications/notification-store.js';
import type { PhaseStore } from './jobs/phase-store.js';
import type { RetentionStore } from './sessions/retention-store.js';
import type { SessionStore } from './sessions/session-store.js';
import type { SourceStore } from './configurations/source-store.js';
import type { SweepStore } from './sessions/sweep-store.js';

export type * from './components/component-store.js';
export type * from './configurations/configuration-store.js';
export type * from './jobs/host-store.js';
export type * from './jobs/log-store.js';
export type * from './jobs/phase-store.js';
export type * from './notifications/notification-store.js';
export type * from './sessions/admission-store.js';
export type * from './sessions/retention-store.js';
export type * from './sessions/session-store.js';
export type * from './sessions/sweep-store.js';

/**
 * The database: the records that people read, and the changes that processes tell each other about. Each method is one
 * transaction unless it says otherwise, and throws fault `unavailable` if the database does not answer.
 */
export interface Store {
  readonly sessions: SessionStore;
  readonly configurations: ConfigurationStore;
  readonly sources: SourceStore;
  readonly components: ComponentStore;
  readonly batches: BatchStore;
  readonly options: OptionStore;
  readonly phases: PhaseStore;
  readonly logs: LogStore;
  readonly hosts: HostStore;
  readonly stagedFiles: StagedFileStore;
  readonly resources: ResourceStore;
  readonly sweep: SweepStore;
  readonly admission: AdmissionStore;
  readonly retention: RetentionStore;
  readonly notifications: NotificationStore;
  readonly masterKey: MasterKeyStore;
  /** Eight random hexadecimal digits, drawn once. They mark everything that this deployment creates elsewhere. */
  deploymentId(): Promise<string>;
  /** Calls the listener after each commit, at once if it is this process's, else soon. Returns a function to unsubscribe. */
  subscribe(listener: (change: Change) => void): () => void;
  ping(): Promise<void>;
  /** Absent on SQLite, which has no connection pool. */
  readonly pool?: () => PoolUse;
  close(): Promise<void>;
}

/** Connections of the pool at this moment, and the number of callers that wait for one. */
export interface PoolUse {
  readonly used: number;
  readonly idle: number;
  readonly max: number;
  readonly waiting: number;
}

export type Change =
  /** There may be something to dispatch. */
  | { readonly kind: 'wish' }
  /** A session may have ended, and webhooks are to be told. */
  | { readonly kind: 'end' }
  /** The record, log or phases of one session may have changed. */
  | { readonly kind: 'session'; readonly jobId: string }
  /** Anything may have changed, for example in a commit of another process that this one missed: look again. */
  | { readonly kind: 'any' };

/** The digest of this deployment's master key, which shows whether a process has the right key. */
export interface MasterKeyStore {
  /** Undefined until a process has bound a key. */
  find(): Promise<string | undefined>;
  /** Stores the digest if none is stored. Returns the stored one. */
  bind(digest: string): Promise<string>;
  /** Removes the digest, so that the next `bind` stores its own. */
  forget(): Promise<void>;
}

export interface OptionStore {
  /** The defaults, overridden by the stored values. */
  get(): Promise<Options>;
  /** Merges the changes into the stored values. Returns the resulting options. */
  patch(changes: Partial<Options>): Promise<Options>;
}

/** Files on their way into a job, such as its inventory, compressed by gzip. They are removed when the session ends. */
export interface StagedFileStore {
  save(jobId: string, name: string, gzip: Uint8Array): Promise<void>;
  read(jobId: string): Promise<Readonly<Record<string, Uint8Array>>>;
  remove(jobId: string): Promise<void>;
}

/** What a session creates outside the database, noted before it is created, so that it is found whatever fails. */
export interface ResourceStore {
  note(jobId: string, kind: string, key: string): Promise<void>;
  list(jobId: string): Promise<readonly { readonly kind: string; readonly key: string }[]>;
  remove(jobId: string, kind: string, key: string): Promise<void>;
}
