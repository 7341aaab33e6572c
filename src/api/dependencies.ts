import type { Env } from 'hono';
import type { Registry } from 'prom-client';
import type { GitClient, OpenSource, Orchestrator, TenantClient } from '../clients/interfaces.js';
import type { ApiMetrics } from '../metrics/api-metrics.js';
import type { EventStreams } from './event-stream.js';
import type { Store } from '../store/store.js';

/** The part of pino's interface that the API uses. Messages are constant text, the facts are fields. */
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
  /** Absent with RUNNER=none. */
  readonly orchestrator?: Pick<Orchestrator, 'check'>;
  /** Tells a session's workflow what its job waits for. Absent with RUNNER=none. */
  readonly tellWaiting?: Orchestrator['tellWaiting'];
  readonly logger: Logger;
  /** `major.minor.patch` */
  readonly version: string;
  /** Schemes that a repository URL may have, separated by colons. */
  readonly gitProtocols: string;
  /** The tokens of jobs and the key for stored credentials are derived from it. */
  readonly masterKey: Uint8Array;
  readonly maxBodyBytes: number;
  /** Limit of a list of components; each element is within `maxBodyBytes`. */
  readonly maxListBytes: number;
  readonly auth:
    /** `anyName`: AUTH=none was set, so pages may use any name of this host, not only loopback ones. */
    | { readonly kind: 'open'; readonly anyName?: boolean }
    /** `tokens` is read for each request, because it may change. */
    | { readonly kind: 'tokens'; readonly tokens: readonly AccessToken[] };
  readonly now: () => string;
  /** 8 hexadecimal digits, for a job id. */
  readonly newSuffix: () => string;
  /** Whether an external operator runs the sessions created from now on (RUNNER=none); default false. */
  readonly isExternal?: boolean;
  /** Whether there is an image management service; default false. */
  readonly customizesImages?: boolean;
  /** URL at which people reach this API, without a trailing slash. */
  readonly publicUrl?: string;
  /** URL of Temporal's Web UI. */
  readonly uiUrl?: string;
  /** Ends event streams when the service stops. Absent: nothing ends them. */
  readonly streams?: EventStreams;
  /** Whether the public address also serves the routes of jobs; default true. */
  readonly serveJobs?: boolean;
  /** Absent: requests are not counted. */
  readonly metrics?: ApiMetrics;
  /** The metrics at `/metrics`. Absent: they are served at another address. */
  readonly registry?: Pick<Registry, 'metrics' | 'contentType'>;
  /** Throws if the disk has no room for another session. */
  readonly requireRoom?: () => Promise<void>;
}

export interface ApiEnv extends Env {
  Variables: {
    /** Name of the request's token, or `api` if there are no tokens. */
    caller: string;
    /** Whether the token is still valid, for answers that go on for long. */
    mayGoOn: () => boolean;
  };
}
