import type { ActivityDependencies } from './dependencies.js';
import { createDiscardActivities } from './discard.js';
import { createImageActivities } from './images.js';
import { createInventoryActivities } from './inventory.js';
import type { Activities } from './interface.js';
import { createJobActivities } from './job.js';
import { createPhaseActivities } from './phase.js';
import { createRecordActivities } from './record.js';
import { createResolveActivities } from './resolve.js';
import { createTeardownActivities } from './teardown.js';

export type * from './interface.js';
export type { RetentionActivities, RetentionResult } from './retention.js';

export function createActivities(dependencies: ActivityDependencies): Activities {
  return {
    ...createRecordActivities(dependencies),
    ...createResolveActivities(dependencies),
    ...createImageActivities(dependencies),
    ...createInventoryActivities(dependencies),
    ...createJobActivities(dependencies),
    ...createPhaseActivities(dependencies),
    ...createTeardownActivities(dependencies),
    ...createDiscardActivities(dependencies),
  };
}

/** The activities on the queues for observers. */
export function pickObservers(activities: Activities) {
  const { gitClone, gitCloneHosts, inventory, ansible } = activities;
  return { gitClone, gitCloneHosts, inventory, ansible };
}

/** The activities on a machine's queue for control. */
export function pickControls(activities: Activities) {
  const { launchJob, stopJob } = activities;
  return { launchJob, stopJob };
}
