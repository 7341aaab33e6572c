import type { Orchestrator } from '../clients/interfaces.js';
import { createOrchestrator } from '../clients/temporal.js';
import type { TemporalConfig } from '../config/temporal.js';
import { toTaskQueue } from '../core/names.js';
import type { Store } from '../store/store.js';

/** For the workflows of the deployment whose database this is. Connects when it is first used. */
export async function openOrchestrator(
  address: string,
  { namespace, tls }: TemporalConfig,
  store: Pick<Store, 'deploymentId'>,
): Promise<Orchestrator> {
  const taskQueue = toTaskQueue(await store.deploymentId());
  return createOrchestrator({ address, namespace, tls, taskQueue });
}
