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
 * The database: what people read, and what processes tell each other. Every method is one transaction. A database that
 * does not answer is fault `unavailable`.
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
  /** Calls the listener after each commit: of this process at once, of others soon. Returns how to unsubscribe. */
  subscribe(listener: (change: Change) => void): () => void;
  ping(): Promise<void>;
  /** Absent where there is no pool of connections. */
  readonly pool?: () => PoolUse;
  close(): Promise<void>;
}

/** How many connections there are at this moment, and how many callers wait for one. */
export interface PoolUse {
  readonly used: number;
  readonly idle: number;
  readonly max: number;
  readonly waiting: number;
}

export type Change =
  /** There may be something to dispatch. */
  | { readonly kind: 'wish' }
  /** The end of a session may have been noted, for those who are to be told of it. */
  | { readonly kind: 'end' }
  /** Log, phases or outcome of one session. */
  | { readonly kind: 'session'; readonly jobId: string }
  /** Some commit of another process may have been missed: look again. */
  | { readonly kind: 'any' };

/** Which master key this deployment has, by its digest. */
export interface MasterKeyStore {
  /** Undefined before any process has told it. */
  find(): Promise<string | undefined>;
  /** Keeps this one unless there is one. Returns the one that is kept. */
  bind(digest: string): Promise<string>;
  /** The next one that is told is kept. */
  forget(): Promise<void>;
}

export interface OptionStore {
  /** Stored values over the defaults. */
  get(): Promise<Options>;
  /** Merges the changes into what is stored. Returns the options as they then are. */
  patch(changes: Partial<Options>): Promise<Options>;
}

/** Files on their way into a job, such as its inventory, compressed by gzip. They are removed when the session ends. */
export interface StagedFileStore {
  save(jobId: string, name: string, gzip: Uint8Array): Promise<void>;
  read(jobId: string): Promise<Readonly<Record<string, Uint8Array>>>;
  remove(jobId: string): Promise<void>;
}

/** What a session makes outside of the database. It is noted before it is made, so that it is found whatever fails. */
export interface ResourceStore {
  note(jobId: string, kind: string, key: string): Promise<void>;
  list(jobId: string): Promise<readonly { readonly kind: string; readonly key: string }[]>;
  remove(jobId: string, kind: string, key: string): Promise<void>;
}
