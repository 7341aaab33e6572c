import type { ActivityDependencies } from './dependencies.js';
import { createInventoryActivities } from './inventory.js';
import type { Activities } from './interface.js';
import { createJobActivities } from './job.js';
import { createPhaseActivities } from './phase.js';
import { createRecordActivities } from './record.js';
import { createResolveActivities } from './resolve.js';

export type * from './interface.js';

export function createActivities(dependencies: ActivityDependencies): Activities {
  return {
    ...createRecordActivities(dependencies),
    ...createResolveActivities(dependencies),
    ...createInventoryActivities(dependencies),
    ...createJobActivities(dependencies),
    ...createPhaseActivities(dependencies),
  };
}

/** What a machine's own queue serves: all that touches a local job. */
export function pickMachineActivities(activities: Activities) {
  const { launchJob, stopJob, gitClone, gitCloneHosts, inventory, ansible } = activities;
  return { launchJob, stopJob, gitClone, gitCloneHosts, inventory, ansible };
}
