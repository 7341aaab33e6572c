import type { Logger } from '../process/logger.js';
import type { Jobs } from './jobs.js';
import type { SshAddress } from './job-record.js';
import type { Place } from './place.js';

export interface RouteDependencies {
  readonly place: Place;
  readonly jobs: Jobs;
  readonly clock: () => string;
  readonly choosePort: () => Promise<SshAddress>;
  /** Of jobs that do not say: whether `/proc`, `/sys` and `/dev` are in their environment. */
  readonly enableDkms: boolean;
}

export interface AppDependencies extends RouteDependencies {
  readonly version: string;
  readonly logger: Logger;
  /** That requests must carry; absent: none. */
  readonly token?: string;
}
