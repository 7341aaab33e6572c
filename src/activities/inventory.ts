import { gzipSync } from 'node:zlib';
import { ServiceError } from '../core/errors.js';
import { listLockedHosts } from '../core/host-locks.js';
import { renderImageInventory } from '../core/image-inventory.js';
import { toContainerName, type ImageAddress } from '../core/image.js';
import {
  renderDynamicInventory,
  renderSpecInventory,
  type RenderedInventory,
} from '../core/inventory.js';
import type { Session } from '../core/session.js';
import { describeHostWaitEnd } from '../core/waiting.js';
import { getSession, requireSnapshot, type ActivityDependencies } from './dependencies.js';
import { withHeartbeat, type Heartbeat } from './heartbeat.js';
import { findImageJobs, requireImages } from './image-work.js';
import type { Activities, HostWait } from './interface.js';
import { openPhaseLog, type PhaseLog } from './phase-log.js';
import { readWithin, type SourceLimit } from './source-limit.js';
import { openWaits } from './waits.js';

/** Name of the inventory in `staged_files` and in the job's directory. */
export const INVENTORY_FILE = 'inventory';

export function createInventoryActivities(
  dependencies: ActivityDependencies,
): Pick<Activities, 'stageInventory'> {
  const { store, now } = dependencies;
  return {
    stageInventory: ({ jobId, waitingSince }) =>
      withHeartbeat(async (signal, beat) => {
        const session = await getSession(store, jobId);
        // A reset, or a Temporal that lost its data, may put a workflow back to before the launch. The job has its inventory.
        if (session.launchedAt !== undefined) return undefined;
        // If its workflow was started again during the wait, the record knows when the wait began.
        const since = waitingSince ?? (session.waitsFor && session.waiting?.since);
        const log = openPhaseLog(store, jobId, 'inventory', signal);
        const rendered = await renderInventory(dependencies, session, log, beat);
        if (rendered !== undefined) {
          for (const warning of rendered.warnings) await log.write(`WARNING: ${warning}`);
          const hosts = rendered.hosts === 1 ? '1 host' : `${rendered.hosts} hosts`;
          await log.write(`Inventory of ${hosts} made.`);
        }
        signal.throwIfAborted();
        const wait = await requestHosts(dependencies, session, rendered, since);
        if (wait !== undefined) {
          await log.write(wait.message);
          return wait;
        }
        if (since !== undefined) await log.write(describeHostWaitEnd(since, now()));
        signal.throwIfAborted();
        // Last, so that the session has the hosts of its inventory, whichever of two attempts stages it.
        if (rendered !== undefined)
          await store.stagedFiles.save(jobId, INVENTORY_FILE, gzipSync(rendered.text));
        return undefined;
      }),
  };
}

/** Asks for the session's hosts, and for its place if it has lost that. By default sessions share hosts and keep it. */
async function requestHosts(
  { store, now }: ActivityDependencies,
  session: Session,
  inventory: RenderedInventory | undefined,
  since = now(),
): Promise<HostWait | undefined> {
  const { hostLocks } = await store.options.get();
  if (!hostLocks && session.admittedAt !== undefined) return undefined;
  const hosts = hostLocks ? listLockedHosts(session, inventory) : [];
  const asked = await store.admission.requestHosts(session.jobId, { hosts, at: now(), since });
  if (asked.admittedAt !== undefined) return undefined;
  return {
    since,
    message: asked.waiting?.message ?? 'Waiting for a place (max_running_sessions).',
  };
}

async function renderInventory(
  dependencies: ActivityDependencies,
  session: Session,
  log: PhaseLog,
  beat: Heartbeat,
): Promise<RenderedInventory | undefined> {
  const { hardware } = dependencies;
  const { target } = session.request;
  switch (target.definition) {
    case 'repo':
      return undefined;
    case 'spec':
      return renderSpecInventory(target.groups ?? []);
    case 'image':
      return renderImageInventory(
        target.groups ?? [],
        await readImageAddresses(dependencies, session, beat),
      );
    case 'dynamic':
      return renderDynamicInventory(
        await log.whileWaiting(`Reading the inventory from ${hardware.source}`, () =>
          readWithin(
            toLimit(session, hardware.source),
            beat,
            openWaits(dependencies, session, 'inventory'),
            (signal) => hardware.fetchHardwareState(signal),
          ),
        ),
      );
  }
}

/** Every image has answered over SSH a moment ago, so it has an address. */
async function readImageAddresses(
  dependencies: ActivityDependencies,
  session: Session,
  beat: Heartbeat,
): Promise<ReadonlyMap<string, ImageAddress>> {
  const images = requireImages(dependencies);
  const { client, deploymentId } = images;
  const { jobId } = session;
  const container = toContainerName(jobId, deploymentId);
  const addresses = new Map<string, ImageAddress>();
  const waits = openWaits(dependencies, session, 'inventory');
  await readWithin(toLimit(session, client.source), beat, waits, async (signal) => {
    const jobs = await findImageJobs(images, dependencies.store, session, signal);
    for (const [imageId, id] of jobs) {
      const job = await client.getJob({ id, container }, signal);
      if (job?.address === undefined)
        throw new ServiceError('rejected', `Image ${imageId}: IMS job ${id} is gone.`, {
          reason: 'IMAGE_PREPARE',
        });
      addresses.set(imageId, job.address);
    }
  });
  return addresses;
}

function toLimit(session: Session, source: string): SourceLimit {
  return {
    seconds: requireSnapshot(session).limits.inventorySourcesSeconds,
    option: 'inventory_sources_time_limit',
    what: 'The inventory',
    reason: 'INVENTORY',
    toSilence: (seconds) => `${source} had not answered for ${seconds} s.`,
  };
}
