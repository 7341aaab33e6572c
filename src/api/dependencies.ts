import type { Env } from 'hono';
import type { Registry } from 'prom-client';
import type { GitClient, OpenSource, Orchestrator, TenantClient } from '../clients/interfaces.js';
import type { ApiMetrics } from '../metrics/api-metrics.js';
import type { EventStreams } from './event-stream.js';
import type { Store } from '../store/store.js';

/** What the API needs of a logger; pino fits. Messages are constant text, the facts are fields. */
export interface Logger {
  debug(fields: object, message: string): void;
  info(fields: object, message: string): void;
  warn(fields: object, message: string): void;
  error(fields: object, message: string): void;
}

export interface AccessToken {
  readonly token: string;
  readonly role: 'read' | 'write';
  readonly name: string;
}

export interface ApiDependencies {
  readonly store: Store;
  readonly git: GitClient;
  readonly openSource: OpenSource;
  /** Absent: there are no tenants. */
  readonly tenants?: TenantClient;
  /** Absent where nothing is started. */
  readonly orchestrator?: Pick<Orchestrator, 'check'>;
  /** Tells a session's workflow what its job waits for. Absent where nothing is started. */
  readonly tellWaiting?: Orchestrator['tellWaiting'];
  readonly logger: Logger;
  /** `major.minor.patch` */
  readonly version: string;
  /** Schemes a repository may have, separated by colons. */
  readonly gitProtocols: string;
  /** The tokens of jobs and the key of stored credentials derive from it. */
  readonly masterKey: Uint8Array;
  readonly maxBodyBytes: number;
  /** The same for a list of components, each of which is within the limit above. */
  readonly maxListBytes: number;
  readonly auth:
    /** `anyName`: people chose to let everybody in, by whatever name. */
    | { readonly kind: 'open'; readonly anyName?: boolean }
    | { readonly kind: 'tokens'; readonly tokens: readonly AccessToken[] };
  readonly now: () => string;
  /** 8 hexadecimal digits, for a job id. */
  readonly newSuffix: () => string;
  /** Whether an operator outside runs what is created from now on; default false. */
  readonly isExternal?: boolean;
  /** Whether there is an image management service; default false. */
  readonly customizesImages?: boolean;
  /** Where people reach this API, without a slash at its end. */
  readonly publicUrl?: string;
  /** URL of Temporal's Web UI. */
  readonly uiUrl?: string;
  /** Ends streams of events when the service stops. Default: nobody ends them. */
  readonly streams?: EventStreams;
  /** Whether the public address also serves what jobs call; default true. */
  readonly serveJobs?: boolean;
  /** Absent: nothing is counted. */
  readonly metrics?: ApiMetrics;
  /** What `/metrics` tells; absent: it is told elsewhere. */
  readonly registry?: Pick<Registry, 'metrics' | 'contentType'>;
  /** Throws where there is no room for another session. */
  readonly requireRoom?: () => Promise<void>;
}

/** Who asks: the name of the token, or `api` where there are no tokens. */
export interface ApiEnv extends Env {
  Variables: { caller: string };
}
