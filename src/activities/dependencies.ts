import type {
  GitClient,
  OpenSource,
  OpenTenant,
  HardwareClient,
  ImageClient,
  ImageShell,
} from '../clients/interfaces.js';
import { ServiceError } from '../core/errors.js';
import type { ImageKey } from '../core/image.js';
import type { Session } from '../core/session.js';
import type { Runner } from '../runner/runner.js';
import type { Store } from '../store/store.js';

/** Constant text; the facts are fields. */
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
  /** Absent: sessions of tenants' configurations get no token of Vault. */
  readonly openTenant?: OpenTenant;
  readonly hardware: HardwareClient;
  /** Absent: there is no image management service. */
  readonly images?: ImageDependencies;
  /** Makes the token by which a job speaks to the API. */
  readonly toToken: (jobId: string) => string;
  readonly now: () => string;
  readonly logger: Logger;
  /** Tells the session's workflow, for the Web UI, what it waits for; an empty text: it goes on. Absent: it is not told. */
  readonly tellWaiting?: (jobId: string, message: string) => Promise<void>;
  /** This machine's UUID, where jobs live on the machine that launched them. */
  readonly machine?: string;
  /** Task queue on which phases of jobs that any worker can reach are watched. */
  readonly phaseQueue?: string;
}

/** A workflow's record is written before the workflow starts; without one there is nothing to be done. */
export async function getSession(store: Pick<Store, 'sessions'>, jobId: string): Promise<Session> {
  const session = await store.sessions.get(jobId);
  if (session === undefined)
    throw new ServiceError('missing', `There is no record of job ${jobId}.`);
  return session;
}
