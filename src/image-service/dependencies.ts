import type { Logger } from '../process/logger.js';
import type { Turns } from '../process/turns.js';
import type { Jobs } from './jobs.js';
import type { SshAddress } from './job-record.js';
import type { Place } from './place.js';

export interface RouteDependencies {
  readonly place: Place;
  readonly jobs: Jobs;
  /** Changes of images begin with a look at what is there, so they act one after the other. */
  readonly imageTurn: Turns;
  readonly clock: () => string;
  readonly choosePort: () => Promise<SshAddress>;
  /** Whether `/proc`, `/sys` and `/dev` are in the environment of a job that does not say. */
  readonly enableDkms: boolean;
}

export interface AppDependencies extends RouteDependencies {
  readonly version: string;
  readonly logger: Logger;
  /** The token that requests must carry; absent: they need none. */
  readonly token?: string;
}
