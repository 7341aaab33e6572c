const MAX_JOB_ID = 63;
const SUFFIX = 8;
/** The most characters that the name of a session may have in v3. */
const MAX_NAME = 45;

/**
 * `cfs-<session name>-<8 hex>`, at most 63 characters, so that it is also a Kubernetes Job's name. A long name is cut, and
 * a cut name ends in a letter or digit. `suffix` is drawn once, when the record is inserted.
 */
export function toJobId(sessionName: string, suffix: string): string {
  const room = MAX_JOB_ID - 'cfs-'.length - 1 - SUFFIX;
  const cut = sessionName.slice(0, room).replace(/[^a-z0-9]+$/, '');
  return `cfs-${cut}-${suffix}`;
}

/** Appends `end` to the name of a session, which is cut if both together are too long. */
export function addToName(name: string, end: string): string {
  return name.slice(0, MAX_NAME - end.length).replace(/[^a-z0-9]+$/, '') + end;
}

/** The random suffix of a job id. */
export function toJobSuffix(jobId: string): string {
  return jobId.slice(-SUFFIX);
}

/** Task queue of everything that any worker can do, except watching jobs. */
export function toTaskQueue(deploymentId: string): string {
  return `keelson-${deploymentId}`;
}

/** Task queue on which jobs that any worker can reach are watched. */
export function toPhaseQueue(deploymentId: string): string {
  return `keelson-${deploymentId}-phases`;
}

/** Task queue on which the local jobs of one machine are watched. */
export function toMachineQueue(machine: string): string {
  return `host-${machine}`;
}

/** Task queue on which local jobs of one machine are launched and stopped, so that a stop never waits for an observer. */
export function toControlQueue(machine: string): string {
  return `host-${machine}-control`;
}

/** Task queue of the workers that have WEBHOOKS_FILE. */
export function toWebhookQueue(deploymentId: string): string {
  return `keelson-${deploymentId}-webhooks`;
}

/** Id of the workflow that tells webhooks of the end of a session. */
export function toNotificationWorkflow(deploymentId: string, jobId: string): string {
  return `keelson-notification-${deploymentId}-${jobId}`;
}

/** Name of the sweep's schedule, workflows and task queue. Retention uses the same queue. */
export function toSweepQueue(deploymentId: string): string {
  return `keelson-sweep-${deploymentId}`;
}

/** Name of retention's schedule and workflows. */
export function toRetentionSchedule(deploymentId: string): string {
  return `keelson-retention-${deploymentId}`;
}

export function toBatcherWorkflow(deploymentId: string): string {
  return `keelson-batcher-${deploymentId}`;
}

export function toHardwareSyncWorkflow(deploymentId: string): string {
  return `keelson-hwsync-${deploymentId}`;
}

/**
 * The name of a batch's session, with 44 characters like CFS's. The deployment id replaces the beginning
 * of `id`, the UUID of the batch, so that our sessions can be told from those of an external batcher.
 */
export function toBatchSession(deploymentId: string, id: string): string {
  return `${toBatchPrefix(deploymentId)}${id.slice(deploymentId.length)}`;
}

export function toBatchPrefix(deploymentId: string): string {
  return `batcher-${deploymentId}`;
}
