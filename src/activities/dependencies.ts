import type {
  GitClient,
  OpenSource,
  OpenTenant,
  HardwareClient,
  ImageClient,
  ImageShell,
} from '../clients/interfaces.js';
import { ServiceError, setBack } from '../core/errors.js';
import type { ImageKey } from '../core/image.js';
import type { Session, Snapshot } from '../core/session.js';
import type { Runner } from '../runner/runner.js';
import type { Store } from '../store/store.js';

/** The message is constant text; the facts are fields. */
export interface Logger {
  info(fields: object, message: string): void;
}

export interface ImageDependencies {
  readonly client: ImageClient;
  readonly shell: ImageShell;
  readonly toKey: (jobId: string) => ImageKey;
  readonly deploymentId: string;
}

export interface ActivityDependencies {
  readonly store: Store;
  readonly runner: Runner;
  readonly git: GitClient;
  readonly openSource: OpenSource;
  /** If absent, sessions with a tenant's configuration get no Vault token. */
  readonly openTenant?: OpenTenant;
  readonly hardware: HardwareClient;
  /** Absent if there is no image management service. */
  readonly images?: ImageDependencies;
  /** Makes the token with which a job authenticates to the API. */
  readonly toToken: (jobId: string) => string;
  readonly now: () => string;
  readonly logger: Logger;
  /** Tells the session's workflow, for the Web UI, what it waits for. An empty text means that it no longer waits. */
  readonly tellWaiting?: (jobId: string, message: string) => Promise<void>;
  /** This machine's UUID, if jobs run on the machine that launched them. */
  readonly machine?: string;
  /** Task queue for watching phases of jobs that any worker can reach. */
  readonly phaseQueue?: string;
}

/** Throws fault `missing` without a record: it is written before its workflow starts, so there is nothing to be done. */
export async function getSession(store: Pick<Store, 'sessions'>, jobId: string): Promise<Session> {
  const session = await store.sessions.get(jobId);
  if (session === undefined)
    throw new ServiceError('missing', `There is no record of job ${jobId}.`);
  return session;
}

/** The step `resolveConfiguration` has stored it. */
export function requireSnapshot({ jobId, snapshot }: Session): Snapshot {
  if (snapshot === undefined) throw setBack(jobId, 'the plan');
  return snapshot;
}
