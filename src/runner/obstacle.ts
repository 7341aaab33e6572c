import type { V1ContainerStatus, V1Pod } from '@kubernetes/client-node';
import type { PhaseResult } from '../core/job.js';

/** Why a phase does not start. */
export type Obstacle = Omit<Extract<PhaseResult, { kind: 'unstarted' }>, 'kind'>;

/** A container that is no phase: a webhook, such as that of a mesh, has put it before one. */
export interface Foreign extends Pick<V1ContainerStatus, 'name' | 'state'> {
  /** What the phase waits for; a sidecar runs beside the phases. */
  readonly awaited: 'started' | 'ended';
}

/** Returns the first foreign container that keeps the phase from starting. */
export function findForeign(
  { spec, status }: V1Pod,
  phases: readonly string[],
  phase: string,
): Foreign | undefined {
  const containers = spec?.initContainers ?? [];
  const position = containers.findIndex(({ name }) => name === phase);
  const before = position < 0 ? containers : containers.slice(0, position);
  for (const { name, restartPolicy } of before) {
    const told = status?.initContainerStatuses?.find((each) => each.name === name);
    const { terminated } = told?.state ?? {};
    const isSidecar = restartPolicy === 'Always';
    // A sidecar that ends is restarted.
    const isDone = isSidecar
      ? told?.started === true || terminated !== undefined
      : terminated?.exitCode === 0;
    if (!phases.includes(name) && told?.state !== undefined && !isDone)
      return { name, state: told.state, awaited: isSidecar ? 'started' : 'ended' };
  }
  return undefined;
}

/** What the container waits for. Undefined if its turn has not come, because then the cause is another one. */
export function toHold(foreign: Foreign | undefined): Obstacle | undefined {
  if (foreign === undefined) return undefined;
  const { name, state, awaited } = foreign;
  const { reason = '', message } = state?.waiting ?? {};
  const why =
    state?.running === undefined ? message && `${reason}: ${message}` : `it has not ${awaited}`;
  if (why === undefined) return undefined;
  return { reason: 'config', message: `container ${name}, which was put into its pod: ${why}` };
}

/** How the container failed. Undefined if it has not. */
export function toFailure(foreign: Foreign | undefined): Obstacle | undefined {
  const { name, state } = foreign ?? {};
  if (state?.terminated === undefined) return undefined;
  const { exitCode, message = '' } = state.terminated;
  const why = [`exit code ${exitCode}`, message.trim()].filter(Boolean).join(': ');
  const told = `container ${name}, which was put into its pod, ended with ${why}`;
  return { reason: 'config', message: told };
}
