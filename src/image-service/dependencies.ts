import type { Logger } from '../process/logger.js';
import type { Turns } from '../process/turns.js';
import type { Jobs } from './jobs.js';
import type { SshAddress } from './job-record.js';
import type { Place } from './place.js';

export interface RouteDependencies {
  readonly place: Place;
  readonly jobs: Jobs;
  /** Changes of images run one at a time, because each first checks the images that exist. */
  readonly imageTurn: Turns;
  readonly clock: () => string;
  readonly choosePort: () => Promise<SshAddress>;
  /** Whether the environment of a job that does not say has `/proc`, `/sys` and `/dev`. */
  readonly enableDkms: boolean;
}

export interface AppDependencies extends RouteDependencies {
  readonly version: string;
  readonly logger: Logger;
  /** The token that requests must carry. Absent: none is required. */
  readonly token?: string;
}
