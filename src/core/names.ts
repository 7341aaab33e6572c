const MAX_JOB_ID = 63;
const SUFFIX = 8;
/** As many as the name of a session may have. */
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

/** A name for a session that follows from another one's, which is cut where both are too long. */
export function addToName(name: string, end: string): string {
  return name.slice(0, MAX_NAME - end.length).replace(/[^a-z0-9]+$/, '') + end;
}

/** The part of a job id that was drawn. */
export function toJobSuffix(jobId: string): string {
  return jobId.slice(-SUFFIX);
}

/** The task queue of everything that any worker can do, but for watching jobs. */
export function toTaskQueue(deploymentId: string): string {
  return `keelson-${deploymentId}`;
}

/** Task queue on which jobs that any worker can reach are watched. */
export function toPhaseQueue(deploymentId: string): string {
  return `keelson-${deploymentId}-phases`;
}

/** Task queue of the machine that has a local job: the job is watched there, and nowhere else. */
export function toMachineQueue(machine: string): string {
  return `host-${machine}`;
}

/** Task queue of that machine for launch and stop, so that a stop never waits for the slot of an observer. */
export function toControlQueue(machine: string): string {
  return `host-${machine}-control`;
}

/** Task queue of the workers that have WEBHOOKS_FILE. */
export function toWebhookQueue(deploymentId: string): string {
  return `keelson-${deploymentId}-webhooks`;
}

/** The workflow that tells of the end of a session. */
export function toNotificationWorkflow(deploymentId: string, jobId: string): string {
  return `keelson-notification-${deploymentId}-${jobId}`;
}

/** The Schedule of the sweep, its workflows, and their task queue, which retention has too. */
export function toSweepQueue(deploymentId: string): string {
  return `keelson-sweep-${deploymentId}`;
}

/** The Schedule of the retention and its workflows. */
export function toRetentionSchedule(deploymentId: string): string {
  return `keelson-retention-${deploymentId}`;
}

/** The workflow of the batcher. */
export function toBatcherWorkflow(deploymentId: string): string {
  return `keelson-batcher-${deploymentId}`;
}

/** The workflow that looks for new nodes. */
export function toHardwareSyncWorkflow(deploymentId: string): string {
  return `keelson-hwsync-${deploymentId}`;
}

/**
 * The session of a batch, 44 characters as CFS's. The deployment id stands where a UUID begins, so that ours are told from
 * those of a batcher outside. `id` is the UUID of the batch.
 */
export function toBatchSession(deploymentId: string, id: string): string {
  return `${toBatchPrefix(deploymentId)}${id.slice(deploymentId.length)}`;
}

export function toBatchPrefix(deploymentId: string): string {
  return `batcher-${deploymentId}`;
}
